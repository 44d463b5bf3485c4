"""Insights in a world: facts are posted as anyone posts them, and asked for as Twilio's SDKs ask."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from tests.support.asgi import Answer
from tests.support.specs import misfits
from tests.support.world import World
from trunkline.services.resources import Resource

HOST = "insights.twilio.com"
BASE = f"https://{HOST}"


def basic(name: str, secret: str) -> str:
    """Return the header of Basic authentication."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


class Insights:
    """A world that answers to the original's name, seen by one of its accounts (the default one)."""

    def __init__(self, world: World, account: str = "") -> None:
        self.world = world
        self.account: Resource = world.house.resources.get(account or world.house.resources.default)

    @property
    def sid(self) -> str:
        """The account's SID."""
        return self.account.sid

    def of(self, name: str, parent: str = "") -> Insights:
        """Return the same world as another account sees it; it is made where there is none."""
        resources = self.world.house.resources
        if resources.find(name) is None:
            self.world.run(resources.create(name, parent))
        return Insights(self.world, name)

    def post(self, what: str, *rows: dict[str, Any]) -> None:
        """Post facts with the account's API key, if there are any; all must be taken."""
        if not rows:
            return
        answer = self.world.call("POST", f"/api/v1/{what}?", json=rows, headers={"x-api-key": self.account.api_key})
        assert answer.status == 200, answer.body
        assert answer.json["rejected_total"] == 0, answer.json

    def call(self, method: str, target: str, **given: Any) -> Answer:
        """Put a request with the account's SID and token; an answer must be as the original's description says."""
        headers = {"authorization": basic(self.sid, self.account.auth_token), **given.pop("headers", {})}
        target = target.removeprefix(BASE)
        target = target if "?" in target else f"{target}?"
        answer = self.world.call(method, target, host=given.pop("host", HOST), headers=headers, **given)
        if answer.status < 300:
            assert misfits(method, target.partition("?")[0], answer.json) == []
        return answer

    def get(self, path: str, **query: Any) -> Any:
        """Get what must be there, as JSON; a path without its beginning, or an address that an answer gave."""
        answer = self.ask(path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def ask(self, path: str, **query: Any) -> Answer:
        """Get whatever comes."""
        target = path if path.startswith(("/", "http")) else f"/v1/Voice/{path}"
        return self.call("GET", f"{target}?{urlencode(query, safe=':')}" if query else target)

    def form(self, path: str, **fields: Any) -> Answer:
        """Post a form, as the SDKs do."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self.call("POST", f"/v1/Voice/{path}", body=urlencode(fields).encode(), headers=headers)


def error_of(answer: Answer) -> tuple[int, int]:
    """Return status and code of a refusal, whose body must be the original's."""
    body = answer.json
    assert set(body) == {"code", "message", "more_info", "status"}, body
    assert body["status"] == answer.status
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{body['code']}"
    assert body["message"]
    return answer.status, body["code"]
