"""Accounts: resources with keys of their own, below a parent if they have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler, json_response
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline.auth import Callers, check_unconfined
from trunkline.clock import rfc3339
from trunkline.errors import ForbiddenError, InvalidError
from trunkline.services.resources import Resource, Resources


class AccountRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body: the account's parent, "" or null being none; with `move` an account that there is gets it."""

    parent: str | msgspec.UnsetType | None = msgspec.UNSET
    move: bool = False


class AccountHandlers:
    """The operations of accounts.

    `describe` says what a client needs for a resource; `changed` is called when an account is new or its keys are.
    """

    def __init__(
        self,
        resources: Resources,
        callers: Callers,
        describe: Callable[[Resource], Any],
        changed: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._callers = callers
        self._describe = describe
        self._changed = changed

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"ListAccounts": self.list, "CreateAccount": self.create, "RegenerateKey": self.regenerate}

    async def list(self, exchange: Exchange) -> Response:
        """List the resources that the caller may see."""
        found = [
            {
                "name": resource.name,
                "parent": resource.parent,
                "sid": resource.sid,
                "immutable_resource_id": resource.immutable_id,
                "default": resource.name == self._resources.default,
                "created_at": rfc3339(resource.created_at),
            }
            for resource in self._resources.all()
            if exchange.principal.covers(resource.name)
        ]
        return json_response({"accounts": found})

    async def create(self, exchange: Exchange) -> Response:
        """Make an account, or give the one of that name: 201 or 200; with `move` give that one another parent."""
        body = exchange.json(AccountRequest)
        parent = None if body.parent is msgspec.UNSET else (body.parent or "")
        name = exchange.params["name"]
        known = self._resources.find(name.strip())
        self._check_reach(exchange, known, parent)
        if body.move:
            check_unconfined(exchange)  # it changes who sees the account
            if parent is None:
                raise InvalidError('Name the parent to move the account to; "" for none.', target="parent")
            resource = await self._resources.move(name.strip(), parent)
        else:
            resource = await self._resources.create(name, parent)
        self._changed()
        return json_response(self._describe(resource), 200 if known else 201)

    def _check_reach(self, exchange: Exchange, known: Resource | None, parent: str | None) -> None:
        """Refuse a confined caller accounts that are not below its own."""
        inside = known.name if known else (parent or "").strip().lower()
        if exchange.principal.resource and not exchange.principal.covers(inside):
            raise ForbiddenError(
                f"This key is for the account {exchange.principal.resource!r}: it makes accounts below that one only "
                "(name it, or one below it, as the parent)."
            )

    async def regenerate(self, exchange: Exchange) -> Response:
        """Replace one credential; the others go on."""
        resource = self._callers.resource_of(exchange, exchange.params["name"])
        fresh = await self._resources.regenerate(resource.name, exchange.params["key"].lower())
        self._changed()
        return json_response(self._describe(fresh))
