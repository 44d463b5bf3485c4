"""Ways in: facts that others measured, posted in bulk, acknowledged once they are durable."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.apis.trunkline.posted import Reading, items, packed
from trunkline.catalogue.facts import Call, CallEvent, Fact, Message, Request, Sample
from trunkline.errors import ConflictError, InvalidError
from trunkline.services import repeatability
from trunkline.state.transaction import Transaction
from trunkline.telemetry.inbox import pack
from trunkline.telemetry.recorder import Recorder

SMALL = 16 * 1024
"""Up to so many bytes are read at once on the loop: a thread would cost more."""
LONGEST_KEY = 128
OPERATIONS: dict[str, type[Fact]] = {
    "PostRequests": Request,
    "PostCalls": Call,
    "PostSamples": Sample,
    "PostCallEvents": CallEvent,
    "PostMessages": Message,
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

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {name: partial(self._take, kind) for name, kind in OPERATIONS.items()}

    async def _take(self, kind: type[Fact], exchange: Exchange) -> Response:
        """Take facts of a kind: 200 with how many, and which ones not; 400 when none can be."""
        key = _key(exchange)
        reading = Reading(kind, _accounts(self._callers, exchange), exchange.at)
        media_type, encoding = (exchange.headers.get(name, "") for name in ("content-type", "content-encoding"))

        def read() -> list[bytes]:
            return packed(reading, items(exchange.body, media_type.lower(), encoding), pack)

        is_small = len(exchange.body) <= SMALL and not encoding
        blocks = read() if is_small else await asyncio.to_thread(read)
        answer = msgspec.json.encode(
            {
                "accepted": reading.accepted,
                "rejected": reading.rejected,
                "rejected_total": reading.rejected_total,
            }
        )
        if key:
            answer = await self._once(exchange, kind, key, blocks, answer)
        elif blocks:
            await self._recorder.keep([(kind.table, block) for block in blocks])
        return json_response(msgspec.Raw(answer))

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


def _accounts(callers: Callers, exchange: Exchange) -> Any:
    """Return what tells the account that a name means; each name is looked up once."""
    known: dict[str, str] = {}

    def account(name: str) -> str:
        found = known.get(name)
        if found is None:
            found = known[name] = callers.resource_of(exchange, name).name
        return found

    return account


def _key(exchange: Exchange) -> str:
    key = exchange.headers.get("idempotency-key", "").strip()
    if len(key) > LONGEST_KEY:
        raise InvalidError(f"An Idempotency-Key has at most {LONGEST_KEY} characters.", target="Idempotency-Key")
    return key
