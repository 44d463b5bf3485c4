"""Numbers that a resource owns, and messages that come in for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import rfc3339
from trunkline.numbering import country_of, written
from trunkline.services.actor import Actor
from trunkline.services.numbers import Number, Numbers
from trunkline.services.resources import Resource
from trunkline.services.sms import Sms


class TextRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: who sends what to which number."""

    sender: str = msgspec.field(name="from")
    to: str
    text: str


class NumberHandlers:
    """The operations of numbers; each is about the caller's account, or the one `account` names.

    `changed` is called when an account owns other numbers than before.
    """

    def __init__(self, numbers: Numbers, sms: Sms, callers: Callers, changed: Callable[[], None]) -> None:
        self._numbers = numbers
        self._sms = sms
        self._callers = callers
        self._changed = changed

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "ListNumbers": self.list,
            "AddNumber": self.add,
            "RemoveNumber": self.remove,
            "ReceiveText": self.receive,
        }

    async def list(self, exchange: Exchange) -> Response:
        """List the numbers of the account."""
        return json_response({"numbers": [_shown(one) for one in self._numbers.list(self._resource(exchange).name)]})

    async def add(self, exchange: Exchange) -> Response:
        """Let the account own a number, or give the one it owns: 201 or 200."""
        resource, number = self._resource(exchange).name, written(exchange.params["number"])
        status = 200 if self._numbers.owns(resource, number) else 201
        added = await self._numbers.add(resource, number, exchange.query.get("brief_id", ""))
        self._changed()
        return json_response(_shown(added), status)

    async def remove(self, exchange: Exchange) -> Response:
        """Let the account own a number no more."""
        await self._numbers.remove(self._resource(exchange).name, exchange.params["number"])
        self._changed()
        return Response(status_code=204)

    async def receive(self, exchange: Exchange) -> Response:
        """Bring a text message to one of the account's numbers, as if a carrier did."""
        body = exchange.json(TextRequest)
        actor = Actor(resource=self._resource(exchange), user_id=exchange.caller, cause=exchange.ms_cv)
        message_id = await self._sms.receiving.receive(actor, written(body.sender), written(body.to), body.text)
        return json_response({"id": message_id}, 202)

    def _resource(self, exchange: Exchange) -> Resource:
        return self._callers.resource_of(exchange, exchange.query.get("account", ""))


def _shown(one: Number) -> dict[str, Any]:
    return {
        "number": one.number,
        "account": one.resource,
        "kind": one.kind,
        "country": country_of(one.number),
        "added_at": rfc3339(one.added_at) if one.added_at else None,
        "from_settings": one.added_at is None,
    } | ({"brief_id": one.brief_id} if one.brief_id else {})
