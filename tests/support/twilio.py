"""An account of a running server, with Twilio's own client for it and a way to post what was measured."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import Any

import msgspec
from twilio.rest import Client

from trunkline.catalogue.twilio.sids import derived
from trunkline.library.served import Server
from trunkline.services.resources import Resource


@dataclass(frozen=True)
class Office:
    """One account of a server."""

    server: Server
    account: Resource

    @property
    def base(self) -> str:
        """Where the server is reached without TLS."""
        return self.server.connection.http

    @property
    def sid(self) -> str:
        """The account's SID."""
        return self.account.sid

    def sid_of(self, leg: str) -> str:
        """Return the SID that is made of a leg's own id."""
        return derived(leg)

    def client(self, name: str = "", secret: str = "", account: str = "", **given: Any) -> Client:
        """Return the SDK's client, pointed here; with the account's SID and token unless told otherwise."""
        client = Client(name or self.sid, secret or self.account.auth_token, account or None, **given)
        client.insights.base_url = self.base
        return client

    def post(self, what: str, *rows: dict[str, Any]) -> None:
        """Post facts; all must be taken."""
        answer = self.request("POST", f"/api/v1/{what}", rows)
        assert answer["rejected_total"] == 0, answer

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Put a request to Trunkline's own API with the account's key."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"X-API-Key": self.account.api_key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read())


def office(server: Server, name: str, parent: str = "") -> Office:
    """Return an account of a server; it is made where there is none."""
    return Office(server, server.run(server.house.resources.create(name, parent)))
