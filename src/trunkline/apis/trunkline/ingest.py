"""Ways in: facts that others measured, posted in bulk, acknowledged once they are durable."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.apis.trunkline.body import Body
from trunkline.apis.trunkline.posted import Reading
from trunkline.catalogue.facts import Call, CallEvent, Fact, Feedback, LogLine, Message, Request, Sample
from trunkline.errors import ConflictError, InvalidError
from trunkline.services import repeatability
from trunkline.state.transaction import Transaction
from trunkline.telemetry.inbox import pack
from trunkline.telemetry.recorder import Recorder

SMALL = 16 * 1024
"""Up to so many bytes are read at once on the loop: a thread would cost more."""
STRAIGHT = 64 * 1024
"""What is larger, unpacked, goes straight into the store; the rest waits in the inbox for company."""
RECORDS_AT_ONCE = 10_000
LONGEST_KEY = 128
_TURN_S = 0.0002
_USUAL_TURN_S = sys.getswitchinterval()
_FILE = re.compile(r"[0-9a-f]{64}")
_CHUNK = re.compile(r"([0-9a-f]{64})/([1-9][0-9]{0,8})")
Reader = Callable[[], tuple[Sequence[bytes], Any]]
"""Reads a body: into packed facts, or into a table."""
OPERATIONS: dict[str, type[Fact]] = {
    "PostRequests": Request,
    "PostCalls": Call,
    "PostSamples": Sample,
    "PostCallEvents": CallEvent,
    "PostMessages": Message,
    "PostLogs": LogLine,
    "PostFeedback": Feedback,
}


class _Kept(msgspec.Struct, frozen=True):
    """The answer to a post with an Idempotency-Key, and a mark of its body."""

    mark: str
    answer: msgspec.Raw


class IngestHandlers:
    """The operations that take facts; each fact is of the caller's account, or of the one it names."""

    def __init__(self, recorder: Recorder, callers: Callers) -> None:
        self._recorder = recorder
        self._callers = callers
        self._chunks: dict[str, asyncio.Event] = {}
        self._reading = asyncio.Semaphore(1)

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        ways: dict[str, Handler] = {name: partial(self._take, kind) for name, kind in OPERATIONS.items()}
        return {**ways, "GetImport": self._imported}

    async def _take(self, kind: type[Fact], exchange: Exchange) -> Response:
        """Take facts of a kind: 200 with how many, and which ones not; 400 when none can be."""
        key, chunk = _key(exchange), _chunk(exchange, kind)
        if key and chunk:
            raise InvalidError("A chunk of a file needs no Idempotency-Key.", target="Idempotency-Key")
        reading = Reading(kind, _accounts(self._callers, exchange), exchange.at)
        is_small = len(exchange.body) <= SMALL and "content-encoding" not in exchange.headers

        def read() -> tuple[Sequence[bytes], Any]:
            media_type, encoding = (exchange.headers.get(name, "") for name in ("content-type", "content-encoding"))
            body = Body(exchange.body, media_type.lower(), encoding)
            if chunk or (body.size > STRAIGHT and not key):
                return (), reading.batch(body)
            return [pack(facts) for facts in reading.facts(body.items())], None

        if chunk:
            return await self._take_chunk(kind, reading, read, chunk)
        if is_small:
            blocks, rows = read()
        else:
            blocks, rows = await self._read(read)
        reading.check()
        answer = _taken(reading)
        if rows is not None:
            await (await self._loading(kind, rows))
        elif key:
            return json_response(
                msgspec.Raw(await self._once(exchange, kind, key, blocks, msgspec.json.encode(answer)))
            )
        elif blocks:
            await self._recorder.keep([(kind.table, block) for block in blocks])
        return json_response(answer)

    async def _read(self, read: Reader) -> tuple[Sequence[bytes], Any]:
        """Read a large body beside the loop, one after the other: two at once take the interpreter from each other."""
        with self._recorder.expected():
            async with self._reading:
                with _short_turns():
                    return await asyncio.to_thread(read)

    async def _loading(self, kind: type[Fact], rows: Any, chunk: tuple[str, int] | None = None) -> asyncio.Future[bool]:
        """Bring rows straight into the store; return the future of the last of them.

        Records go some at a time, for what is known of them is read and merged, and questions wait meanwhile. When only
        the first of them get there, sending all of them again does no harm.
        """
        at_once = RECORDS_AT_ONCE if kind.key else max(1, len(rows))
        last = max(0, (len(rows) - 1) // at_once * at_once)
        for begin in range(0, last, at_once):
            await self._recorder.load(kind.table, rows.slice(begin, at_once))
        return self._recorder.load(kind.table, rows.slice(last), chunk)

    async def _take_chunk(self, kind: type[Fact], reading: Reading, read: Reader, chunk: tuple[str, int]) -> Response:
        """Take a chunk of a file; one that came before it and is still being read goes first."""
        before, done = self._chunks.get(chunk[0]), asyncio.Event()
        self._chunks[chunk[0]] = done
        try:
            _, rows = await self._read(read)
            if before is not None:
                await before.wait()
            loading = await self._loading(kind, rows, chunk)
        finally:
            done.set()
            if self._chunks.get(chunk[0]) is done:
                del self._chunks[chunk[0]]
        answer = _taken(reading)
        return json_response(answer if await loading else {**answer, "accepted": 0, "again": True})

    async def _imported(self, exchange: Exchange) -> Response:
        """Tell how many chunks of a file have been loaded: where an import goes on."""
        kind = next((kind for kind in OPERATIONS.values() if kind.table == exchange.query.get("fact", "")), None)
        if kind is None:
            tables = ", ".join(kind.table for kind in OPERATIONS.values())
            raise InvalidError(f"Name the fact that the file holds: {tables}.", target="fact")
        file = exchange.params["file"]
        chunks = await asyncio.to_thread(self._recorder.loaded, _source(exchange, kind, file))
        return json_response({"file": file, "fact": kind.table, "chunks": chunks})

    async def _once(
        self, exchange: Exchange, kind: type[Fact], key: str, blocks: Sequence[bytes], answer: bytes
    ) -> bytes:
        """Keep facts unless an earlier request with this key did; returns the first one's answer."""
        scope = f"{kind.table} {exchange.owner.name}"
        mark = hashlib.sha256(exchange.body).hexdigest()

        def beside(transaction: Transaction) -> None:
            repeatability.keep(transaction, scope, key, _Kept(mark, msgspec.Raw(answer)), exchange.at)

        found = await self._recorder.keep(
            [(kind.table, block) for block in blocks],
            before=lambda transaction: repeatability.earlier(transaction, scope, key),
            beside=beside,
        )
        if found is None:
            return answer
        kept = msgspec.json.decode(found, type=_Kept)
        if kept.mark != mark:
            raise ConflictError("Another body was sent with this Idempotency-Key.", target="Idempotency-Key")
        return bytes(kept.answer)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let a thread give the interpreter up sooner when others want it.

    Who reads a large body needs it all the time; the loader wants it at each of its statements and would wait for 5 ms
    each time, more than most of them take (26 to 31 posts of 5000 samples a second).
    """
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_TURN_S)


def _accounts(callers: Callers, exchange: Exchange) -> Any:
    """Return what tells the account that a name means; each name is looked up once."""
    known: dict[str, str] = {}

    def account(name: str) -> str:
        found = known.get(name)
        if found is None:
            found = known[name] = callers.resource_of(exchange, name).name
        return found

    return account


def _taken(reading: Reading) -> dict[str, Any]:
    return {"accepted": reading.accepted, "rejected": reading.rejected, "rejected_total": reading.rejected_total}


def _chunk(exchange: Exchange, kind: type[Fact]) -> tuple[str, int] | None:
    """Return which chunk of which file a body is, if it says so; raises InvalidError."""
    text = exchange.headers.get("trunkline-chunk", "").strip()
    if not text:
        return None
    found = _CHUNK.fullmatch(text)
    if found is None:
        raise InvalidError(
            "A chunk is the SHA-256 of its file, a slash, and its number from 1.", target="Trunkline-Chunk"
        )
    return _source(exchange, kind, found[1]), int(found[2])


def _source(exchange: Exchange, kind: type[Fact], file: str) -> str:
    if not _FILE.fullmatch(file):
        raise InvalidError("A file is known by its SHA-256: 64 hexadecimal digits.", target="file")
    return f"file {exchange.owner.name} {kind.table} {file}"


def _key(exchange: Exchange) -> str:
    key = exchange.headers.get("idempotency-key", "").strip()
    if len(key) > LONGEST_KEY:
        raise InvalidError(f"An Idempotency-Key has at most {LONGEST_KEY} characters.", target="Idempotency-Key")
    return key
