"""Event Grid's control plane: the event subscriptions of a communication resource."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import PlainTextResponse, Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.azure import subscription_answers
from trunkline.apis.azure.auth import Callers
from trunkline.apis.azure.subscription_forms import Body, Changes, explained, members, spec_of
from trunkline.catalogue.rows import Catalogue
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError
from trunkline.events.filters import Filter
from trunkline.events.subscription import Subscription
from trunkline.events.subscriptions import Subscriptions
from trunkline.services.resources import Resource

PATIENCE_S = 1.0
"""How long a PUT or PATCH waits for the webhook's answer before it says that it is still going on."""

_MOST_LISTED = 100
_NAME_TEST = re.compile(
    r"\s*(?:contains\(\s*name\s*,\s*'(?P<part>(?:[^']|'')*)'\s*\)|name\s+(?P<op>eq|ne)\s+'(?P<whole>(?:[^']|'')*)')\s*",
    re.IGNORECASE | re.ASCII,
)
_AND = re.compile(r"and\s", re.IGNORECASE)


class EventGridHandlers:
    """The operations of event subscriptions."""

    def __init__(self, catalogue: Catalogue, subscriptions: Subscriptions, callers: Callers) -> None:
        self._default_types = [
            name for name, row in catalogue.event_types.items() if not (row.preview_of or row.is_named_only)
        ]
        self._types = {name.lower(): name for name in (*catalogue.event_types, *catalogue.untold_event_types)}
        self._subscriptions = subscriptions
        self._callers = callers

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {
            "EventSubscriptions_CreateOrUpdate": self.create_or_update,
            "EventSubscriptions_Update": self.update,
            "EventSubscriptions_Get": self.get,
            "EventSubscriptions_Delete": self.delete,
            "EventSubscriptions_ListByResource": self.list_by_resource,
            "EventSubscriptions_GetFullUrl": self.get_full_url,
            "EventSubscriptions_GetDeliveryAttributes": self.get_delivery_attributes,
            "Operations_Status": self.get_operation,
            "EventSubscriptions_Validate": self.validate,
            "EventSubscriptions_ValidateByPost": self.validate,
        }

    async def create_or_update(self, exchange: Exchange) -> Response:
        """Create a subscription or make it what the body says; its webhook is asked first."""
        spec = spec_of(exchange.json(Body))
        self._check_types(spec.filter.types)
        try:
            await self._subscriptions.create_or_update(_resource(exchange).name, _name(exchange), spec)
        except InvalidError as error:
            raise explained(error) from error
        return await self._begun(exchange, "Creating")

    def _check_types(self, types: Iterable[str]) -> None:
        """Refuse a type that this source never publishes: its subscription would wait for ever."""
        for name in types:
            if name.lower() not in self._types:
                near = difflib.get_close_matches(name[:200].lower(), self._types, n=1, cutoff=0.5)
                hint = f" Is {self._types[near[0]]} meant?" if near else ""
                raise InvalidError(
                    f"Invalid event subscription request: the event type {name!r} is not one of this source.{hint}",
                    target="includedEventTypes",
                )

    async def update(self, exchange: Exchange) -> Response:
        """Change the members that are given; missing and null ones stay as they are."""
        old = self._found(exchange).wanted.filter
        changes = members(exchange.json(Changes), old)
        if changes["filter"] is not None:
            self._check_types(changes["filter"].types)
            changes["filter"] = self._without_defaults(changes["filter"], old)
        try:
            await self._subscriptions.change(_resource(exchange).name, _name(exchange), **changes)
        except InvalidError as error:
            raise explained(error) from error
        return await self._begun(exchange, "Updating")

    async def get(self, exchange: Exchange) -> Response:
        """Return a subscription."""
        return json_response(self._render(exchange, self._found(exchange)))

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a subscription; 204 when there was none."""
        try:
            await self._subscriptions.delete(_resource(exchange).name, _name(exchange))
        except NotFoundError:
            return Response(status_code=204)
        return Response(status_code=200)

    async def list_by_resource(self, exchange: Exchange) -> Response:
        """List the subscriptions of a resource by name, in pages of `$top`."""
        holds = read_name_filter(exchange.query.get("$filter", ""))
        after = exchange.query.get("$skiptoken", "")  # a name: who deletes what a page shows misses none of the next
        found = [one for one in self._subscriptions.list(_resource(exchange).name) if one.name > after]
        found = [one for one in found if holds(one.name)]
        size = exchange.number("$top", default=_MOST_LISTED, least=1, most=_MOST_LISTED)
        page, more = found[:size], None
        if len(found) > size:
            query = {"api-version": exchange.query["api-version"], "$filter": exchange.query.get("$filter", "")}
            query |= {"$top": str(size), "$skiptoken": page[-1].name}
            pairs = "&".join(f"{name}={quote(value)}" for name, value in query.items() if value)
            more = f"{exchange.base_url}{exchange.raw_path}?{pairs}"
        return json_response({"value": [self._render(exchange, one) for one in page], "nextLink": more})

    async def get_full_url(self, exchange: Exchange) -> Response:
        """Return a webhook's whole address, with the secrets that may stand in its query."""
        return json_response({"endpointUrl": self._found(exchange).wanted.url})

    async def get_delivery_attributes(self, exchange: Exchange) -> Response:
        """Return the headers added to deliveries, with their secret values."""
        headers = self._found(exchange).wanted.headers
        return json_response({"value": subscription_answers.attributes(headers, shown=True)})

    async def get_operation(self, exchange: Exchange) -> Response:
        """Tell how the creation or change of a subscription stands."""
        wanted = exchange.params["operation_id"].lower()
        for one in self._subscriptions.all():
            if subscription_answers.operation_id(one) == wanted and self._callers.sees(exchange, one.resource):
                answer = subscription_answers.operation(one, f"{exchange.base_url}{exchange.raw_path}")
                waits = answer["status"] == "InProgress"
                return json_response(answer, headers={"Retry-After": "1"} if waits else None)
        raise NotFoundError(f"There is no operation {wanted!r}.", target="operationId")

    async def validate(self, exchange: Exchange) -> Response:
        """Confirm a webhook by hand: who knows the code has read what was sent to it."""
        name, code = exchange.params["subscription"], exchange.query.get("id", "")
        try:
            await self._subscriptions.confirm(exchange.query.get("resource", ""), name, code)
        except NotFoundError as error:  # which subscriptions there are is nobody's business
            raise ForbiddenError("This is not the validation code.") from error
        return PlainTextResponse("The webhook is confirmed; it gets its events from now on.")

    # --- inside ---

    async def _begun(self, exchange: Exchange, state: str) -> Response:
        """Wait a little for the webhook's answer; then tell the outcome, or where it can be asked for.

        A refusal is told through the operation, because clients look for its reason there.
        """
        resource, name = _resource(exchange), _name(exchange)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._subscriptions.settled(resource.name, name)
        one = self._found(exchange)
        if subscription_answers.status(one) == "Succeeded":
            return json_response(self._render(exchange, one), 201)
        url = (
            f"{exchange.base_url}/subscriptions/{resource.subscription_id}/providers/Microsoft.EventGrid/locations/"
            f"global/operationsStatus/{subscription_answers.operation_id(one)}"
            f"?api-version={quote(exchange.query['api-version'])}"
        )
        headers = {"Azure-AsyncOperation": url, "Retry-After": "1"}
        return json_response(self._render(exchange, one, state), 201, headers)

    def _found(self, exchange: Exchange) -> Subscription:
        return self._subscriptions.get(_resource(exchange).name, _name(exchange))

    def _render(self, exchange: Exchange, one: Subscription, state: str = "") -> dict[str, Any]:
        scope = exchange.params["scope"]
        return subscription_answers.render(one, _resource(exchange), scope, self._default_types, state)

    def _without_defaults(self, new: Filter, old: Filter) -> Filter:
        """Take the default types for none, as they were shown for none: clients send back what they read."""
        if not old.types and set(new.types) == set(self._default_types):
            return msgspec.structs.replace(new, types=())
        return new


def read_name_filter(text: str) -> Callable[[str], bool]:
    """Read a list's `$filter`: `contains(name, 'x')`, `name eq 'x'` and `name ne 'x'`, joined by `and`.

    Raises InvalidError.
    """
    tests: list[Callable[[str], bool]] = []
    place = 0
    while text.strip():
        found = _NAME_TEST.match(text, place)
        if found is None:
            raise InvalidError(
                "$filter takes contains(name, 'x'), name eq 'x' and name ne 'x', joined by and.", target="$filter"
            )
        tests.append(_name_test(found["part"], found["op"], found["whole"]))
        place = found.end()
        if place == len(text):
            break
        joined = _AND.match(text, place)
        place = joined.end() if joined else len(text)  # what is no "and" fails as a test
    return lambda name: all(test(name) for test in tests)


def _name_test(part: str | None, op: str | None, whole: str | None) -> Callable[[str], bool]:
    if part is not None:
        piece = part.replace("''", "'").lower()
        return lambda name: piece in name.lower()
    wanted = (whole or "").replace("''", "'").lower()
    equal = (op or "").lower() == "eq"
    return lambda name: (name.lower() == wanted) is equal


def _name(exchange: Exchange) -> str:
    return exchange.params["subscription"]


def _resource(exchange: Exchange) -> Resource:
    assert exchange.resource is not None  # noqa: S101 - identify() has set it
    return exchange.resource
