"""A house under attack: puts hostile requests, and judges every answer, what was measured of it and what is left."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import msgspec

from tests.hostile import examples
from tests.support.asgi import Answer
from tests.support.insights import basic
from tests.support.signing import signed
from tests.support.world import HOST, World
from trunkline.api.door import Door
from trunkline.api.routes import Found, Routes
from trunkline.catalogue.azure.ids import resource_id
from trunkline.catalogue.facts import Request
from trunkline.catalogue.load import VENDORS, load
from trunkline.catalogue.rows import Operation, Service
from trunkline.connection import Place

SERVICES = [service for vendor in VENDORS for service in load().of_vendor(vendor)]
OPERATIONS: list[Operation] = [row for service in SERVICES for row in service.operations.values() if row.route]
"""Every operation with a route, of every vendor, built or not."""
LARGEST_BODY = 250_000
BOUND_S = 5.0
"""How long the worst request may take; most take a millisecond."""
LONGEST_ERROR = 16_384
_PYTHON = ("Traceback", "site-packages", " object at 0x", ".py\\", "sqlalchemy", "msgspec", "duckdb", "None type")
_ENDING = ("Delete", "Remove", "Revoke", "Regenerate", "EventSubscriptions_Delete")


@dataclass
class Things:
    """What there is in the house, as it stands in paths and bodies, and the credentials for it."""

    user: str
    other: str
    thread: str
    message: str
    token: str


class Scene:
    """A world with a user, a thread, a message and a subscription; made anew when a request has ended them."""

    def __init__(self, world: World, log: list[logging.LogRecord]) -> None:
        self.world = world
        self.house = world.house
        self.house.place = Place(http="http://localhost:8080", https="https://localhost:8443")
        self.house.hindrance = ""
        self.facts: list[Request] = []
        self._log = log
        self._record = self.house.recorder.record
        self.house.application._recorder.record = self._witness  # type: ignore[method-assign]
        self._keep = self.house.recorder.keep
        self.house.recorder.keep = self._witness_post  # type: ignore[method-assign]
        self._routes = {vendor: Routes(load().of_vendor(vendor)) for vendor in VENDORS}
        self.resource = self.house.resources.get("trunkline")
        self.bearer = self.house.keyring.mint("owner")[0]
        self.resource_id = resource_id(self.resource.subscription_id, self.resource.resource_group, "trunkline")
        teams = examples.BODIES["ExchangeTeamsUserAccessToken"]
        self.entra = jwt.encode({"exp": 2_000_000_000, "appid": teams["appId"], "oid": teams["userId"]}, "k" * 32)
        self.make()

    def _witness(self, fact: Any) -> None:
        if isinstance(fact, Request):
            self.facts.append(fact)
        self._record(fact)

    async def _witness_post(self, blocks: Any, **given: Any) -> Any:
        for table, block in blocks:
            if table == Request.table:
                self.facts += msgspec.msgpack.decode(block, type=list[Request])
        return await self._keep(blocks, **given)

    # --- what there is ---

    def make(self) -> None:
        """Make what paths and bodies name."""
        world = self.world
        user, other = world.user("chat"), world.user("chat")
        thread = world.thread(user, other)
        sent = world.call("POST", f"{thread}/messages", json={"content": "c"}, token=user.token)
        assert sent.status == 201, sent.body
        self.things = Things(user.id, other.id, thread.rpartition("/")[2], sent.json["id"], user.token)
        given = {"name": "mine", "url": examples.WEBHOOK, "types": ["ChatMessageReceived"]}
        made = world.call("POST", "/api/v1/subscriptions?", json=given, token=self.resource.api_key)
        assert made.status == 201, made.body
        call = {**examples.BODIES["PostCalls"][0], "happened_at": "2026-11-21T11:59:00Z"}
        posted = world.call("POST", "/api/v1/calls?", json=[call], token=self.resource.api_key)
        assert posted.status == 200, posted.body

    def path(self, operation: Operation, **instead: str) -> str:
        """Return an operation's path with ids that are there, or those given instead, as they are."""
        known = {
            "scope*": self.resource_id,
            "thread_id": self.things.thread,
            "message_id": self.things.message,
            "identity_id": quote(self.things.other, safe=""),
            "subscription_id": self.resource.subscription_id,
            "subscription": "mine",
            "group": self.resource.resource_group,
            "name": "mine" if "subscriptions" in operation.path else "trunkline",
            "key": "key2",
            "sid": "leg",
            "user": "megan@contoso.com",
        }
        path = operation.path
        for name in parameters(operation):
            value = instead.get(name.rstrip("*"), known.get(name, "1"))
            path = path.replace(f"/{{{name}}}" if name == "scope*" else f"{{{name}}}", value)
        return path

    def fill(self, body: bytes) -> bytes:
        """Put what is there into a body."""
        things = self.things
        for name, value in (
            ("other", things.other),
            ("message", things.message),
            ("resource", self.resource_id),
            ("entra", self.entra),
        ):
            body = body.replace(f"{{{name}}}".encode(), value.encode())
        return body

    def serves(self, operation: Operation) -> bool:
        """Tell whether an operation answers anything but 501."""
        doors = self.house.application._doors
        return any(operation.name in door.handlers for door in doors if operation in self._rows(door))

    def _rows(self, door: Door) -> list[Operation]:
        return [row for service in door.services for row in service.operations.values()]

    # --- who calls ---

    def credentials(self, operation: Operation, target: str, body: bytes, method: str = "") -> dict[str, str]:
        """Return the headers of who may do an operation."""
        if operation.auth == "resource":
            key = self.house.resources.get("trunkline").key1
            return signed(method or operation.method, target, HOST, body, key, self.world.clock.now())
        if operation.auth == "account":
            resource = self.house.resources.get("trunkline")
            return {"authorization": basic(resource.sid, resource.auth_token)}
        token = {
            "user": self.things.token,
            "management": self.bearer,
            "directory": self.bearer,
            "key": self.resource.api_key,
        }.get(operation.auth)
        return {"authorization": f"Bearer {token}"} if token else {}

    @property
    def secrets(self) -> list[str]:
        """Everything that no error may repeat."""
        resource = self.house.resources.get("trunkline")
        tokens = [token.rpartition(".")[2] for token in (self.things.token, self.bearer, self.entra)]
        hidden = ["s3cret-in-a-webhook", "s3cret-in-a-header"]
        return [resource.key1, resource.key2, resource.api_key, resource.auth_token, resource.app_key, *tokens, *hidden]

    # --- requests ---

    def send(self, operation: Operation, body: bytes = b"", query: Mapping[str, str] | None = None) -> Answer:
        """Put an operation's request by who may do it, with a body and a query as they are."""
        asked = urlencode(examples.query_of(operation) if query is None else query)
        return self.put(operation, self.path(operation), asked, self.fill(body))

    def put(
        self,
        operation: Operation,
        path: str,
        query: str,
        body: bytes = b"",
        *,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> Answer:
        """Put a request and judge the answer; without `credentials` it comes from who may do the operation."""
        method, target = method or operation.method, f"{path}?{query}"
        if credentials is None:
            credentials = self.credentials(operation, target if query else path, body, method)
        asked = f"{method} {target[:300]} {body[:300]!r} {headers or ''}"
        before, began = len(self.facts), time.perf_counter()
        call = self.world.request(method, target, body=body, headers={**credentials, **(headers or {})})
        try:
            answer = self.world.run(asyncio.wait_for(call, BOUND_S))
        except TimeoutError:
            raise AssertionError(f"no answer to {asked}") from None
        took = time.perf_counter() - began
        shown = f"{asked}: {answer.status} {answer.body[:300]!r}"
        assert took < BOUND_S, f"{took:.1f} s for {shown}"
        vendor, found = self._found(method, path)
        self._judge(answer, vendor, found, shown)
        self._measured(answer, found, self.facts[before:], shown)
        if answer.status < 300 and operation.name.startswith(_ENDING):
            self.make()
        return answer

    def _found(self, method: str, path: str) -> tuple[str, Found]:
        vendor = max(VENDORS, key=lambda vendor: self._routes[vendor].claims(path))
        if self._routes[vendor].claims(path):
            return vendor, self._routes[vendor].find(method, path)
        return "acs", Found(None)

    def _judge(self, answer: Answer, vendor: str, found: Found, shown: str) -> None:
        assert answer.status < 500 or answer.status == 501, shown
        assert answer.headers["ms-cv"], shown
        if answer.status < 400:
            return
        message = message_of(answer, vendor, found.service, shown)
        assert len(answer.body) <= LONGEST_ERROR, f"{len(answer.body)} bytes of {shown}"
        assert len(message) >= 10, shown
        assert " " in message or message == "Authenticate", shown  # the one word that Twilio's SDKs know
        for word in _PYTHON:
            assert word not in message, shown
        text = answer.body.decode() + "".join(answer.headers.values())
        for secret in self.secrets:
            assert secret not in text, shown

    def _measured(self, answer: Answer, found: Found, facts: list[Request], shown: str) -> None:
        if found.service is None or (found.operation and found.operation.auth == "open"):
            assert facts == [], shown
            return
        # what a request sets off may be counted too, as another service's
        own = [one for one in facts if (one.service, one.ms_cv) == (found.service.name, answer.headers["ms-cv"])]
        assert len(own) == 1, shown
        (fact,) = own
        metric = found.service.metric
        unknown = metric.unknown if metric else "unknown"
        assert fact.status == answer.status, shown
        if found.operation is None:
            assert fact.operation == unknown, shown
        elif fact.served is False:
            assert fact.operation == found.operation.name, shown

    # --- afterwards ---

    def check_that_it_stands(self) -> None:
        """Check that good requests are served, nothing unforeseen happened, and everything was measured."""
        assert self.world.user().token
        facts = Counter((fact.service, fact.operation, str(fact.status)) for fact in self.facts)
        question = {
            "measures": ["requests.count"],
            "by": ["service", "operation", "status"],
            "start": "2026-11-20T00:00:00Z",
            "end": "2026-12-20T00:00:00Z",
        }
        answer = self.world.call("POST", "/api/v1/ask?", json=question, token=self.resource.api_key)
        asked = {tuple(point["split"]): point["values"][0] for point in answer.json["points"]}
        assert asked == facts
        state = self.world.call("GET", "/metrics?").body.decode().splitlines()
        for counter in ("request_errors_total", "facts_refused_total", "loader_failures_total"):
            assert f"trunkline_{counter} 0" in state
        assert "trunkline_requests_in_flight 1" in state  # this one
        lines = [(record.levelno, f"{record.getMessage()} {record.exc_info or ''}") for record in self._log]
        assert not [line for level, line in lines if level >= logging.ERROR]
        for secret in self.secrets:
            assert not [line for _, line in lines if secret in line]


def shapes_of(operation: Operation) -> set[str]:
    """Return an operation's path whatever its parameters are called; `{id}:end` may also be an id as a whole."""
    shape = re.sub("{[^}]*}", "{}", operation.path).lower()
    return {shape, shape.rpartition(":")[0]} if "}:" in shape else {shape}


def parameters(operation: Operation) -> list[str]:
    """List the parameters of an operation's path, as they are written there."""
    return [part.partition("}")[0] for part in operation.path.split("{")[1:]]


def message_of(answer: Answer, vendor: str, service: Service | None, shown: str) -> str:
    """Return the sentence in an error, once its body has the vendor's own shape."""
    kind = answer.headers["content-type"]
    if service is not None and service.name == "page":
        assert kind.startswith("text/plain"), shown
        return answer.body.decode()
    if vendor == "trunkline":
        assert kind == "application/problem+json", shown
        assert answer.json.keys() - {"target"} == {"type", "title", "status", "detail", "instance"}, shown
        assert answer.json["status"] == answer.status, shown
        return str(answer.json["detail"])
    assert kind.startswith("application/json"), shown
    error = answer.json
    if vendor == "twilio":
        assert error.keys() == {"code", "message", "more_info", "status"}, shown
        assert (error["status"], error["more_info"][-5:]) == (answer.status, str(error["code"])), shown
        return str(error["message"])
    if vendor == "infobip":
        assert list(error) == ["errorCode", "description", "action", "violations", "resources"], shown
        assert error["errorCode"] == f"E{answer.status}", shown
        told = [f"{one['property']}: {one['violation']}" for one in error["violations"]]
        return " ".join(told or [error["description"]])
    if vendor == "acs" or "error" in error:
        assert error.keys() == {"error"}, shown
        error = error["error"]
    if vendor == "graph":
        assert error.pop("innerError").keys() == {"date", "request-id", "client-request-id"}, shown
        error["code"] = error["code"].replace("_", "")
    assert {"code", "message"} <= error.keys() <= {"code", "message", "target"}, shown
    assert error["code"].isalnum(), shown
    return str(error["message"])


def unpadded(data: bytes) -> str:
    """Write bytes as tokens do."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
