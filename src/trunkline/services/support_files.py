"""Support files: what clients hand over about a call, kept in the data folder for a while."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.durable import sync
from trunkline.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, UnavailableError
from trunkline.ids import Ids
from trunkline.state.database import Database
from trunkline.state.transaction import Moment, Reader, Transaction, metadata

support_files = sa.Table(
    "support_files",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("call_id", sa.String(200), nullable=False),
    sa.Column("user_id", sa.String(200), nullable=False),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("content_type", sa.String(120), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("kept_at", Moment, nullable=False),
    sa.Index("support_files_call", "call_id"),
    sa.Index("support_files_user", "user_id"),
    sa.Index("support_files_kept", "kept_at"),
)
_put = sa.insert(support_files)
_drop = sa.delete(support_files).where(support_files.c.id == sa.bindparam("of_id"))
_get = sa.select(support_files).where(support_files.c.id == sa.bindparam("of_id"))
_ids = sa.select(support_files.c.id)
_size = sa.select(sa.func.coalesce(sa.func.sum(support_files.c.size), 0))
_newest = support_files.c.kept_at.desc(), support_files.c.id
_all = sa.select(support_files).order_by(*_newest).limit(sa.bindparam("most"))
_of_accounts = _all.where(support_files.c.resource.in_(sa.bindparam("accounts", expanding=True)))
_of_one = support_files.c.resource == sa.bindparam("of_resource"), support_files.c.call_id == sa.bindparam("of_call")
_of_call = sa.select(support_files).where(*_of_one).order_by(*_newest)
_bearing = (
    sa.select(support_files)
    .where(
        sa.or_(
            support_files.c.id.in_(sa.bindparam("wanted", expanding=True)),
            support_files.c.call_id.in_(sa.bindparam("calls", expanding=True)),
            support_files.c.user_id.in_(sa.bindparam("users", expanding=True)),
        )
    )
    .order_by(*_newest)
    .limit(sa.bindparam("most"))
)
_old = (
    sa.select(support_files.c.id)
    .where(support_files.c.kept_at < sa.bindparam("before", type_=Moment))
    .order_by(support_files.c.kept_at)
    .limit(sa.bindparam("most"))
)
FOLDER = "support"
UNFINISHED = ".unfinished"
MOST_LISTED = 1000
LONGEST_ID = 200
LONGEST_NAME = 100
_ID = re.compile(r"[0-9a-f-]{36}")
_TYPE = re.compile(r"[\w!#$&^.+-]{1,60}/[\w!#$&^.+-]{1,60}", re.ASCII)
_UNSAFE = re.compile(r"[^\w .()+@,=-]")
_AT_ONCE = 256 * 1024
_MEBIBYTE = 1024 * 1024


class SupportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file about a call: whose it is, its name as it was given but for what is unsafe in one, and its digest."""

    id: str
    resource: str
    call_id: str
    user_id: str = ""
    name: str
    content_type: str
    size: int
    sha256: str
    kept_at: datetime


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How large a file may be, how many a call may have, how much all come to (bytes), and how long they stay."""

    file_bytes: int
    files_per_call: int
    bytes: int
    kept_for: timedelta


class SupportFiles:
    """The support files of this process: the rows in the database, the bytes in a folder, by their ids."""

    def __init__(self, folder: Path, database: Database, clock: Clock, ids: Ids, bounds: Bounds) -> None:
        self._folder = folder / FOLDER
        self._database = database
        self._clock = clock
        self._ids = ids
        self.bounds = bounds

    def open(self) -> None:
        """Remove what was not finished, and what no row names any more."""
        if not self._folder.is_dir():
            return
        known = {row.id for row in self._database.read_now(lambda reader: reader.all(_ids))}
        for file in self._folder.iterdir():
            if file.name not in known:
                file.unlink(missing_ok=True)

    # --- in ---

    async def add(self, about: SupportFile, body: AsyncIterator[bytes], announced: int = 0) -> tuple[SupportFile, bool]:
        """Keep a file as it comes; returns it, and whether it is new: what a call has already is not kept again.

        `about` tells whose it is, of which call, its name and type; `announced` is its size, if that is known. Raises
        InvalidError, TooLargeError, ConflictError when the call has enough or the room is full, and what the body does.
        """
        about = _checked(about, self._ids.guid(), self._clock.now())
        await self._database.read(lambda reader: self._check(reader, about, announced))
        try:
            about = await self._store(about, body)
            kept = await self._database.write(lambda transaction: self._keep(transaction, about))
        except BaseException:
            self._remove([about.id])
            raise
        if kept.id != about.id:
            self._remove([about.id])
        return kept, kept.id == about.id

    def _check(self, reader: Reader | Transaction, about: SupportFile, size: int) -> None:
        if size > self.bounds.file_bytes:
            raise TooLargeError(f"A support file has at most {self.bounds.file_bytes} bytes.")
        of_call = reader.all(_of_call, of_resource=about.resource, of_call=about.call_id)
        if len(of_call) >= self.bounds.files_per_call and about.sha256 not in {"", *(row.sha256 for row in of_call)}:
            raise ConflictError(f"The call has {len(of_call)} support files, and may have no more.", target="call_id")
        if int(reader.value(_size)) + size > self.bounds.bytes:
            raise ConflictError(
                f"All support files together may have {self.bounds.bytes // _MEBIBYTE} MiB (support_mb); delete some, "
                "or wait until old ones have gone."
            )

    def _keep(self, transaction: Transaction, about: SupportFile) -> SupportFile:
        for row in transaction.all(_of_call, of_resource=about.resource, of_call=about.call_id):
            if (row.sha256, row.name) == (about.sha256, about.name):
                return _read(row)
        self._check(transaction, about, about.size)
        transaction.hand(_put, **msgspec.structs.asdict(about))
        return about

    async def _store(self, about: SupportFile, body: AsyncIterator[bytes]) -> SupportFile:
        """Bring the bytes to the disk; raises TooLargeError, InvalidError, UnavailableError."""
        digest, size = hashlib.sha256(), 0
        file = await asyncio.to_thread(self._begun, about.id)
        try:
            waiting = bytearray()
            async for piece in body:
                size += len(piece)
                if size > self.bounds.file_bytes:
                    raise TooLargeError(f"A support file has at most {self.bounds.file_bytes} bytes.")
                waiting += piece
                if len(waiting) >= _AT_ONCE:
                    await asyncio.to_thread(_written, file, digest, bytes(waiting))
                    waiting.clear()
            if not size:
                raise InvalidError("The body is empty: send the file as it is.", target="body")
            await asyncio.to_thread(_written, file, digest, bytes(waiting), is_last=True)
            await asyncio.to_thread(self._name, about.id)
        except OSError as error:
            raise UnavailableError(f"The file cannot be kept: {error.strerror}.") from error
        finally:
            file.close()
        return msgspec.structs.replace(about, size=size, sha256=digest.hexdigest())

    def _begun(self, file_id: str) -> BinaryIO:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return self._place(file_id, UNFINISHED).open("xb", buffering=0)
        except OSError as error:
            raise UnavailableError(f"The file cannot be kept: {error.strerror}.") from error

    def _name(self, file_id: str) -> None:
        """Give a whole file its name, for good; raises OSError."""
        self._place(file_id, UNFINISHED).replace(self._place(file_id))
        sync(self._folder, deep=False)

    def _place(self, file_id: str, suffix: str = "") -> Path:
        return self._folder / f"{file_id}{suffix}"

    # --- out ---

    async def of(self, accounts: Sequence[str] = (), call_id: str = "") -> list[SupportFile]:
        """List the files of some accounts, of all if none is named, the newest first; only a call's, if it is named."""

        def read(reader: Reader) -> Sequence[Any]:
            if call_id:
                return reader.all(_bearing, wanted=[], calls=[call_id], users=[], most=MOST_LISTED)
            return (
                reader.all(_of_accounts, accounts=list(accounts), most=MOST_LISTED)
                if accounts
                else reader.all(_all, most=MOST_LISTED)
            )

        found = [_read(row) for row in await self._database.read(read)]
        return [one for one in found if not accounts or one.resource in accounts]

    async def bearing(self, ids: Sequence[str]) -> list[SupportFile]:
        """List the files that are known by any of some ids: their own, their calls', their users'."""
        rows = await self._database.read(
            lambda reader: reader.all(_bearing, wanted=ids, calls=ids, users=ids, most=MOST_LISTED)
        )
        return [_read(row) for row in rows]

    async def get(self, file_id: str, accounts: Sequence[str] = ()) -> SupportFile:
        """Return a file's row; raises NotFoundError, also when it is of none of these accounts."""
        wanted = file_id.lower()
        row = (
            await self._database.read(lambda reader: reader.one(_get, of_id=wanted)) if _ID.fullmatch(wanted) else None
        )
        if row is None or (accounts and row.resource not in accounts):
            raise NotFoundError(f"There is no support file {file_id[:40]!r}.", target="id")
        return _read(row)

    async def bytes_of(self, one: SupportFile) -> BinaryIO:
        """Open a file's bytes, which the caller closes; raises UnavailableError when they are not here."""
        return await asyncio.to_thread(self.opened, one)

    def opened(self, one: SupportFile) -> BinaryIO:
        """Do the same, for a thread."""
        try:
            return self._place(one.id).open("rb")
        except OSError as error:
            raise UnavailableError(
                "The file is not in this process's data folder: another process that shares the database keeps it, or "
                "the folder was restored without it."
            ) from error

    # --- away ---

    async def remove(self, one: SupportFile) -> None:
        """Remove a file."""
        await self._database.write(lambda transaction: transaction.hand(_drop, of_id=one.id))
        self._remove([one.id])

    def forget(self, transaction: Transaction, _before: datetime, most: int) -> int:
        """Remove some files whose time is over; returns how many. Their bytes go first: a row without is no harm."""
        rows = transaction.all(_old, before=self._clock.now() - self.bounds.kept_for, most=most)
        self._remove([row.id for row in rows])
        for row in rows:
            transaction.hand(_drop, of_id=row.id)
        return len(rows)

    def _remove(self, ids: Sequence[str]) -> None:
        for file_id in ids:
            for suffix in ("", UNFINISHED):
                with contextlib.suppress(OSError):  # what stays is removed at the next start
                    self._place(file_id, suffix).unlink(missing_ok=True)


def safe_name(name: str) -> str:
    """Return a name that is one on any system: the last part of a path, without what is unsafe in it."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    cleaned = _UNSAFE.sub("_", last).strip(" .")
    if len(cleaned) > LONGEST_NAME:
        stem, dot, ending = cleaned.rpartition(".")
        ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        cleaned = cleaned[: LONGEST_NAME - len(ending)].rstrip(" .") + ending
    return cleaned or "file"


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes, and close it."""
    with file:
        while piece := file.read(_AT_ONCE):
            yield piece


def _checked(about: SupportFile, file_id: str, now: datetime) -> SupportFile:
    for name, value in (("call_id", about.call_id), ("user_id", about.user_id)):
        if len(value) > LONGEST_ID or "\0" in value:
            raise InvalidError(f"An id has at most {LONGEST_ID} characters.", target=name)
    if not about.call_id:
        raise InvalidError("Say which call the file is about: call_id.", target="call_id")
    kind = about.content_type.partition(";")[0].strip().lower()
    return msgspec.structs.replace(
        about,
        id=file_id,
        name=safe_name(about.name),
        content_type=kind if _TYPE.fullmatch(kind) else "application/octet-stream",
        kept_at=now,
    )


def _written(file: BinaryIO, digest: Any, piece: bytes, *, is_last: bool = False) -> None:
    digest.update(piece)
    file.write(piece)
    if is_last:
        os.fsync(file.fileno())


def _read(row: sa.Row[Any]) -> SupportFile:
    return SupportFile(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
