"""Pages: which part of a list is asked for, and the `meta` by which the SDKs find the next one.

`Page` is the client's own count and moves nothing; the token says where a page begins. There are two forms of it:
`PT` and base64 of JSON, which leads on, and `PT` and the number of what stands before, which leads back.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.errors import bad
from trunkline.clock import microseconds
from trunkline.telemetry.questions import EVER, Condition, Either, Rows

MOST = 1000
USUAL = 50
_FARTHEST = 2**31
_LAST_US = microseconds(datetime.max.replace(tzinfo=UTC))
_OWN = {"pagesize", "page", "pagetoken"}
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a page begins: how many stand before it, and the span of time that the first page was about (µs)."""

    offset: int = msgspec.field(name="pageOffset", default=0)
    start: int = 0
    end: int = 0


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Which page is asked for."""

    size: int
    page: int
    token: Token

    @property
    def offset(self) -> int:
        """How many stand before the page."""
        return self.token.offset

    def question(self, fact: str, where: tuple[Condition | Either, ...], columns: tuple[str, ...] = ()) -> Rows:
        """Ask for the facts of the page, the oldest first, and one more if there is a next page."""
        start, end = EVER
        return Rows(
            fact=fact, start=start, end=end, where=where, columns=columns, limit=self.size + 1, skip=self.offset
        )


def read_paging(exchange: Exchange) -> Paging:
    """Read which page is asked for; raises InvalidError."""
    size = _number(exchange, "PageSize", usual=USUAL, least=1, most=MOST)
    page = _number(exchange, "Page", usual=0, least=0, most=_FARTHEST)
    return Paging(size=size, page=page, token=_token(exchange.query.get("pagetoken", "")))


def paged(
    exchange: Exchange, paging: Paging, key: str, items: list[Any], *, token: Token | None = None
) -> dict[str, Any]:
    """Return the answer of a list: `items` are those of the page and one more if there is a next page.

    `token` holds what later pages need to know of this one.
    """
    kept = [
        (name, value)
        for name, value in parse_qsl(exchange.query_string, keep_blank_values=True)
        if name.lower() not in _OWN
    ]
    here = f"{exchange.base_url}{exchange.raw_path}?"
    token = token or paging.token

    def address(*more: tuple[str, Any]) -> str:
        return here + urlencode([*kept, ("PageSize", paging.size), *more], safe="=")

    following = previous = None
    if len(items) > paging.size:
        after = msgspec.structs.replace(token, offset=paging.offset + paging.size)
        following = address(("PageToken", _written(after)), ("Page", paging.page + 1))
    if paging.offset:
        before = msgspec.structs.replace(token, offset=max(0, paging.offset - paging.size))
        text = _written(before) if before.end else f"PT{before.offset}"
        previous = address(("Page", max(0, paging.page - 1)), ("PageToken", text))
    meta = {
        "page": paging.page,
        "page_size": paging.size,
        "first_page_url": address(("Page", 0)),
        "previous_page_url": previous,
        "url": address(("Page", paging.page)),
        "next_page_url": following,
        "key": key,
    }
    return {"meta": meta, key: items[: paging.size]}


def _number(exchange: Exchange, name: str, *, usual: int, least: int, most: int) -> int:
    text = exchange.query.get(name.lower())
    if text is None:
        return usual
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise bad(name, f"it is a whole number from {least} to {most}.")
    return int(text)


def _token(text: str) -> Token:
    if not text:
        return Token()
    wrong = bad("PageToken", "it is none that a page of this list gave; begin at first_page_url.")
    body = text.removeprefix("PT")
    if body == text:
        raise wrong
    if _WHOLE.fullmatch(body):
        found = Token(offset=int(body))
    else:
        try:
            unpacked = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            found = msgspec.json.decode(unpacked, type=Token)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise wrong from error
    if not 0 <= found.offset < _FARTHEST or not 0 <= found.start <= found.end <= _LAST_US:
        raise wrong
    return found


def _written(token: Token) -> str:
    return "PT" + base64.b64encode(msgspec.json.encode(token)).decode()
