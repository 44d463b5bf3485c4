"""The inbox for tests: what was sent to whom, over whichever channel, and waiting until it was."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import EPOCH, parse_rfc3339, rfc3339
from trunkline.errors import InvalidError
from trunkline.services.sent import LONGEST_WAIT_S, MOST, Page, Position, Sent, Sentbox, Wanted

USUAL = 100
GONE = 499
"""The status of an answer that nobody reads: the client has gone."""
PARAMETERS = (
    *("account", "channel", "id", "to", "from", "text", "thread", "tag", "status", "since"),
    *("limit", "after", "wait_s", "count"),
)
_RELATIVE = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
_SPACED_NUMBER = re.compile(r"^(4:)? (?=\d+$)", re.ASCII)


class InboxHandlers:
    """The operation that lists what was sent by the caller's account, or the one `account` names."""

    def __init__(self, sentbox: Sentbox, callers: Callers) -> None:
        self._sentbox = sentbox
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListInbox": self.list}

    async def list(self, exchange: Exchange) -> Response:
        """List what was sent, newest first; with `wait_s` once there are `count`, or the time is over."""
        _check_names(exchange)
        wanted = self._wanted(exchange)
        seconds = _seconds(exchange)
        count = exchange.number("count", default=1 if seconds else 0, least=0, most=MOST + 1)
        limit = exchange.number("limit", default=min(max(USUAL, count), MOST), least=1, most=MOST)
        after = _position(exchange)
        if count > limit:
            raise InvalidError(f"count is at most the limit, which is at most {MOST}.", target="count")
        if seconds and after:
            raise InvalidError(
                "wait_s is for what is to come, which no later page has: leave out after.", target="after"
            )
        if not seconds:
            page = await self._sentbox.look(wanted, most=limit, after=after)
            return _answer(exchange, page, count)
        waiting = asyncio.ensure_future(self._sentbox.wait(wanted, count=count, seconds=seconds, most=limit))
        leaving = asyncio.ensure_future(exchange.left())
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return _answer(exchange, waiting.result(), count) if waiting.done() else Response(status_code=GONE)
        finally:
            waiting.cancel()
            leaving.cancel()

    def _wanted(self, exchange: Exchange) -> Wanted:
        query = exchange.query
        return Wanted(
            resource=self._callers.resource_of(exchange, query.get("account", "")).name,
            channel=query.get("channel", "").lower(),
            id=query.get("id", ""),
            recipient=_person(query.get("to", "")),
            sender=_person(query.get("from", "")),
            text=query.get("text", ""),
            thread=query.get("thread", ""),
            tag=query.get("tag", ""),
            status=query.get("status", "").lower(),
            since=_since(exchange),
        )


def _check_names(exchange: Exchange) -> None:
    """Refuse a parameter there is not: a condition misspelt would let everything through."""
    for name in exchange.query:
        if name not in PARAMETERS:
            raise InvalidError(f"There is no parameter {name!r}; there are: {', '.join(PARAMETERS)}.", target=name)


def _person(text: str) -> str:
    """Read who is meant; in a number, a plus sign that was not escaped has become a space."""
    return _SPACED_NUMBER.sub(lambda found: f"{found.group(1) or ''}+", text)


def _since(exchange: Exchange) -> datetime | None:
    text = exchange.query.get("since", "").strip()
    if not text:
        return None
    try:
        if found := _RELATIVE.fullmatch(text):
            return exchange.at - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
        return parse_rfc3339(text.replace(" ", "+") if "T" in text.upper() else text)
    except (ValueError, OverflowError) as error:
        raise InvalidError("since is an RFC 3339 moment, or how long ago: 30s, 5m, 2h, 1d.", target="since") from error


def _seconds(exchange: Exchange) -> float:
    text = exchange.query.get("wait_s", "")
    if text and (not _SECONDS.fullmatch(text) or float(text) > LONGEST_WAIT_S):
        raise InvalidError(f"wait_s is a number of seconds from 0 to {LONGEST_WAIT_S:g}.", target="wait_s")
    return float(text or 0)


# --- pages ---


def _answer(exchange: Exchange, page: Page, count: int) -> Response:
    answer: dict[str, Any] = {
        "messages": [_shown(one) for one in page.found],
        "complete": len(page.found) >= count,
    }
    if page.rest is not None:
        answer["nextLink"] = _link(exchange, page.rest)
    return json_response(answer)


def _shown(one: Sent) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "id": one.id,
        "account": one.resource,
        "from": one.sender,
        "to": one.recipient,
        "text": one.text,
        "sent_at": rfc3339(one.sent_at),
        "status": one.status,
        "details": {name: _plain(value) for name, value in one.details.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return rfc3339(value) if isinstance(value, datetime) else value


def _link(exchange: Exchange, rest: Position) -> str:
    """Return this request's own address, going on where the page ended; a moment given as an age is fixed."""
    kept = {name: value for name, value in exchange.query.items() if value and name not in {"wait_s", "count", "after"}}
    if since := _since(exchange):
        kept["since"] = rfc3339(since, 6)
    state = msgspec.json.encode((rfc3339(rest.at, 6), rest.channel, rest.key))
    query = urlencode({**kept, "after": base64.urlsafe_b64encode(state).decode()})
    return f"{exchange.base_url}{exchange.raw_path}?{query}"


def _position(exchange: Exchange) -> Position | None:
    """Read where the last page ended; raises InvalidError."""
    text = exchange.query.get("after", "")
    if not text:
        return None
    try:
        state = msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii")), type=tuple[str, str, str])
        return Position(max(parse_rfc3339(state[0]), EPOCH), state[1], state[2])
    except (binascii.Error, UnicodeError, msgspec.DecodeError, ValueError) as error:
        raise InvalidError("after is not from a nextLink of this server.", target="after") from error
