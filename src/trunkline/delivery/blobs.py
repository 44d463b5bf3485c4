"""Blobs of a storage account by its REST interface: bytes are appended where the caller says they go on.

Requests are signed with the account's shared key. What was appended before is not appended again: an append names the
position, and where the blob has gone beyond it, its length tells what happened.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from trunkline.clock import Clock
from trunkline.errors import ConfigurationError, UnavailableError

LARGEST_BLOCK = 4 * 1024 * 1024
"""So many bytes go into one append at most."""

_VERSION = "2021-08-06"
_TIMEOUT_S = 30.0
_CREATED, _OK, _THERE, _NONE, _BEYOND = 201, 200, 409, 404, 412
_MOST_TRIES = 4
# the account that every local emulator of such a storage has; its key is public
_LOCAL = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSR"
    "Z6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A storage account: its name, its key, and where its blobs are."""

    name: str
    key: bytes
    endpoint: str

    def __repr__(self) -> str:
        return f"Account(name={self.name!r})"  # the key never reaches a log


def account_of(text: str) -> Account:
    """Read a connection string; raises ConfigurationError that does not show it."""
    pairs = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    given = {name.lower(): value for name, _, value in pairs}
    if given.get("usedevelopmentstorage", "").lower() == "true":
        return account_of(_LOCAL)
    name, key = given.get("accountname", ""), given.get("accountkey", "")
    scheme, suffix = given.get("defaultendpointsprotocol", "https"), given.get("endpointsuffix", "core.windows.net")
    endpoint = given.get("blobendpoint") or f"{scheme}://{name}.blob.{suffix}"
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if not name or not raw or not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError("A storage's connection string has AccountName, AccountKey and perhaps BlobEndpoint.")
    return Account(name=name, key=raw, endpoint=endpoint.rstrip("/"))


class Blobs:
    """Appends to blobs of one account."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return f"the storage account {self._account.name}"

    async def append(self, container: str, name: str, position: int, content: bytes) -> int:
        """Append bytes at a position and return where they end; bytes that are there are not appended again.

        If the blob was taken away, or somebody else wrote to it, they are appended to what there is. Raises
        UnavailableError when the storage does not take them.
        """
        for _ in range(_MOST_TRIES):
            headers = {"x-ms-blob-condition-appendpos": str(position)}
            status, told = await self._ask("PUT", container, name, {"comp": "appendblock"}, content, headers)
            if status == _CREATED:
                return position + len(content)
            if status == _NONE:
                await self._make(container, name)
                position = 0
                continue
            if status != _BEYOND:
                raise self._refusal(status, told)
            length = await self._length(container, name)
            if length == position + len(content):
                return length
            position = length
        raise UnavailableError(f"{self.name} does not keep the blob {name}.")

    async def stop(self) -> None:
        """Close every connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _make(self, container: str, name: str) -> None:
        """Make a blob that can be appended to, and its container; those that are there stay as they are."""
        status, told = await self._ask("PUT", container, "", {"restype": "container"})
        if status not in {_CREATED, _THERE}:
            raise self._refusal(status, told)
        headers = {"x-ms-blob-type": "AppendBlob", "If-None-Match": "*", "Content-Type": "application/json"}
        status, told = await self._ask("PUT", container, name, {}, b"", headers)
        if status not in {_CREATED, _THERE, _BEYOND}:
            raise self._refusal(status, told)

    async def _length(self, container: str, name: str) -> int:
        status, told = await self._ask("HEAD", container, name)
        if status != _OK:
            raise self._refusal(status, told)
        return int(told.get("content-length", "0"))

    def _refusal(self, status: int, told: Mapping[str, str]) -> UnavailableError:
        code = told.get("x-ms-error-code", "")[:100]
        return UnavailableError(f"{self.name} answers {status} {code}".rstrip() + ".")

    async def _ask(
        self,
        method: str,
        container: str,
        name: str,
        query: Mapping[str, str] | None = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str]]:
        """Make one signed request; returns its status and headers. Raises UnavailableError."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        path = f"/{container}/{quote(name, safe='/')}".rstrip("/")
        url = f"{self._account.endpoint}{path}"
        words = "&".join(f"{key}={quote(value)}" for key, value in sorted((query or {}).items()))
        target = URL(f"{url}?{words}" if words else url, encoded=True)
        sent = {
            "x-ms-date": format_datetime(self._clock.now().astimezone(UTC), usegmt=True),
            "x-ms-version": _VERSION,
            **(headers or {}),
        }
        sent["Authorization"] = authorization(self._account, method, target.raw_path, query or {}, sent, len(content))
        skipped = () if "Content-Type" in sent else ("Content-Type",)
        try:
            async with self._session.request(
                method,
                target,
                data=content if method == "PUT" else None,
                headers=sent,
                skip_auto_headers=skipped,
                allow_redirects=False,
            ) as response:
                return response.status, {key.lower(): value for key, value in response.headers.items()}
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{self.name} cannot be reached ({type(error).__name__}).") from error


def authorization(
    account: Account, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], length: int
) -> str:
    """Return the header that signs a request with the account's key.

    Source: "Authorize with Shared Key" of the REST interface, as versions since 2015 have it.
    """
    given = {name.lower(): value for name, value in headers.items()}
    lines = [
        method,
        *("", "", str(length) if length else "", ""),
        given.get("content-type", ""),
        *("", "", given.get("if-match", ""), given.get("if-none-match", ""), "", ""),
        *(f"{name}:{given[name]}" for name in sorted(given) if name.startswith("x-ms-")),
        f"/{account.name}{path}",
        *(f"{name.lower()}:{value}" for name, value in sorted(query.items())),
    ]
    digest = hmac.new(account.key, "\n".join(lines).encode(), hashlib.sha256).digest()
    return f"SharedKey {account.name}:{base64.b64encode(digest).decode()}"
