"""Event subscriptions by hand: what `trunkline events` and `trunkline listen` do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers
from trunkline.clock import Clock, rfc3339
from trunkline.delivery import queue
from trunkline.errors import InvalidError
from trunkline.events import dead_letters
from trunkline.events.dispatcher import Dispatcher
from trunkline.events.envelopes import EVENT_GRID
from trunkline.events.filters import Filter
from trunkline.events.subscription import Spec, Subscription
from trunkline.events.subscriptions import Subscriptions
from trunkline.state.database import Database
from trunkline.state.transaction import Reader

MOST_LETTERS = 1000
_PARCELS = 4


class SubscribeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: a name, the webhook's address, and what it wants; without types it gets every type.

    With `minutes` the subscription ends by itself after so many, unless it is asked for again.
    """

    name: str
    url: str
    types: list[str] = []
    subject_begins: str = ""
    subject_ends: str = ""
    schema: str = EVENT_GRID
    minutes: Annotated[int, msgspec.Meta(ge=0, le=60 * 24 * 365)] = 0


class TestRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: the event type of the example; without it the first type that the subscription names."""

    type: str = ""


class SubscriptionHandlers:
    """The operations of event subscriptions; each is about the caller's account, or the one `account` names."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
        callers: Callers,
        types: tuple[str, ...],
    ) -> None:
        self._database = database
        self._clock = clock
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._callers = callers
        self._types = types
        self._full = {short: name for name in types for short in (name.lower(), name.rpartition(".")[2].lower())}

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "CreateSubscription": self.create,
            "ListSubscriptions": self.list,
            "GetSubscription": self.get,
            "DeleteSubscription": self.delete,
            "TestSubscription": self.test,
            "ListDeadLetters": self.dead,
            "ResendDeadLetters": self.resend,
        }

    async def create(self, exchange: Exchange) -> Response:
        """Subscribe, and answer once the webhook was asked: its state tells what it said."""
        body = exchange.json(SubscribeRequest)
        resource = self._resource(exchange)
        spec = Spec(
            url=body.url,
            schema=body.schema,
            expires_at=exchange.at + timedelta(minutes=body.minutes) if body.minutes else None,
            filter=Filter(
                types=tuple(self._type(name) for name in body.types),
                subject_begins=body.subject_begins,
                subject_ends=body.subject_ends,
            ),
        )
        await self._subscriptions.create_or_update(resource, body.name, spec)
        return json_response(_shown(await self._subscriptions.settled(resource, body.name)), 201)

    async def list(self, exchange: Exchange) -> Response:
        """List the subscriptions of the account."""
        found = self._subscriptions.list(self._resource(exchange))
        return json_response({"subscriptions": [_shown(one) for one in found]})

    async def get(self, exchange: Exchange) -> Response:
        """Give one subscription."""
        return json_response(_shown(self._subscriptions.get(self._resource(exchange), exchange.params["name"])))

    async def delete(self, exchange: Exchange) -> Response:
        """Delete one subscription."""
        await self._subscriptions.delete(self._resource(exchange), exchange.params["name"])
        return Response(status_code=204)

    async def test(self, exchange: Exchange) -> Response:
        """Send an example event to one subscription."""
        resource, name = self._resource(exchange), exchange.params["name"]
        named = self._subscriptions.get(resource, name).spec.filter.types
        wanted = exchange.json(TestRequest).type or (named[0] if named else self._types[0])
        event_type = self._type(wanted)
        event = await self._dispatcher.fire(resource, name, event_type)
        return json_response({"type": event_type, "event": event.id}, 202)

    async def resend(self, exchange: Exchange) -> Response:
        """Send the dead letters of one subscription again."""
        events = await self._dispatcher.resend(self._resource(exchange), exchange.params["name"])
        return json_response({"events": events}, 202)

    async def dead(self, exchange: Exchange) -> Response:
        """List what could not be delivered, newest first."""
        resource = self._resource(exchange)
        most = exchange.number("most", default=100, least=1, most=MOST_LETTERS)
        now = self._clock.now()
        letters = await self._database.read(lambda reader: _letters(reader, resource, now, most))
        return json_response({"dead_letters": letters})

    def _resource(self, exchange: Exchange) -> str:
        return self._callers.resource_of(exchange, exchange.query.get("account", "")).name

    def _type(self, name: str) -> str:
        """Return an event type's full name, found in any case and without the part before the last dot too."""
        found = self._full.get(name.lower())
        if found is None:
            raise InvalidError(f"There is no event type {name!r}; `trunkline events types` lists them.", target="types")
        return found


def _letters(reader: Reader, resource: str, now: datetime, most: int) -> list[dict[str, Any]]:
    """Read the latest dead letters of an account; a parcel may hold thousands, so few parcels are read at once."""
    letters: list[dict[str, Any]] = []
    before: int | None = None
    while len(letters) < most:
        parcels = queue.dead(reader, resource, now, most=_PARCELS, before=before)
        for parcel in parcels:
            found = dead_letters.render(parcel)[: most - len(letters)]
            shown = {"subscription": parcel.subscription_name, "url": _bare(parcel.url)}
            letters += [{**shown, "event": event} for event in found]
            before = parcel.id
        if len(parcels) < _PARCELS:
            break
    return letters


def _shown(one: Subscription) -> dict[str, Any]:
    spec = one.wanted
    return {
        "name": one.name,
        "account": one.resource,
        "state": one.state,
        "problem": one.problem,
        "url": _bare(spec.url),
        "schema": spec.schema,
        "types": spec.filter.types,
        "subject_begins": spec.filter.subject_begins,
        "subject_ends": spec.filter.subject_ends,
        "created_at": rfc3339(one.created_at),
    }


def _bare(url: str) -> str:
    """Return an address without its query, where webhooks keep their secrets."""
    return url.partition("?")[0]
