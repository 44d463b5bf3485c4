"""The application: every request is answered once, measured once, before its answer's first byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from trunkline.api.application import Application
from trunkline.api.door import STATUS, Door, json_response, status_of
from trunkline.api.exchange import Exchange
from trunkline.api.hosts import Hosts
from trunkline.catalogue.facts import Request
from trunkline.catalogue.rows import Metric, Operation, Service
from trunkline.clock import TurnedClock
from trunkline.config import Settings
from trunkline.errors import (
    InvalidError,
    NotFoundError,
    StalledError,
    TrunklineError,
    UnauthenticatedError,
    UnavailableError,
    UnservedError,
)
from trunkline.ids import Ids

METRIC = Metric(name="M", display="M", brief="b", dimensions={"Operation": "operation"}, unknown="Bad Route")
SERVICE = Service(
    title="Things",
    name="things",
    vendor="acs",
    prefixes=("/things",),
    metric=METRIC,
    unserved={"Future": "It is yet to come."},
    operations={
        name: Operation(brief="b", route=route, name=name, service="things", auth=auth)
        for name, route, auth in (
            ("Get", "GET /things/{thing}", "resource"),
            ("Put", "PUT /things/{thing}", "resource"),
            ("Future", "POST /things/{thing}:future", "resource"),
            ("Missing", "POST /things/{thing}:missing", "resource"),
            ("Check", "GET /things/{thing}/check", "open"),
        )
    },
)
DEMO = SimpleNamespace(name="demo")
RESOURCES = SimpleNamespace(default="standard", find=lambda name: DEMO if name == "demo" else None)


class PlainDoor(Door):
    """A door that says everything in plain words."""

    async def identify(self, exchange: Exchange) -> None:
        """Take anyone who says who."""
        exchange.caller = exchange.headers.get("caller", "")
        if not exchange.caller:
            raise UnauthenticatedError
        exchange.resource = DEMO  # type: ignore[assignment]

    def refuse(self, exchange: Exchange, error: TrunklineError) -> Response:  # noqa: ARG002 - given
        """Say what went wrong."""
        return json_response({"said": error.message}, status_of(error))

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Add the correlation vector."""
        response.headers["MS-CV"] = exchange.ms_cv


class Witness:
    """An application over one handler, with what it recorded and sent, in order."""

    def __init__(self, handler: Callable[[Exchange], Any]) -> None:
        self.seen: list[Any] = []
        self.clock = TurnedClock()
        doors = [PlainDoor([SERVICE], {"Get": handler, "Put": handler, "Check": handler})]
        self.application = Application(
            doors=doors,
            hosts=Hosts(Settings(), RESOURCES),  # type: ignore[arg-type]
            resources=RESOURCES,  # type: ignore[arg-type]
            recorder=SimpleNamespace(record=self.seen.append),  # type: ignore[arg-type]
            clock=self.clock,
            ids=Ids(),
            largest_body=100,
        )

    @property
    def facts(self) -> list[Request]:
        """The requests that were recorded."""
        return [one for one in self.seen if isinstance(one, Request)]

    @property
    def statuses(self) -> list[int]:
        """The answers that were begun."""
        return [one["status"] for one in self.seen if isinstance(one, dict) and one["type"] == "http.response.start"]

    @property
    def said(self) -> str:
        """What the error body said."""
        return str(msgspec.json.decode(self.seen[-1]["body"])["said"])

    def ask(self, method: str = "GET", path: str = "/things/1", *, body: Any = b"", **given: Any) -> Witness:
        """Put one request; `body` may be the messages that come instead."""
        asyncio.run(self.asked(method, path, body=body, **given))
        return self

    async def asked(
        self,
        method: str,
        path: str,
        *,
        body: Any = b"",
        host: str = "localhost",
        caller: str = "me",
        send: Any = None,
        **headers: str,
    ) -> None:
        """Put one request within a running loop."""
        incoming = [{"type": "http.request", "body": body}] if isinstance(body, bytes) else list(body)
        sent = {"host": host, "caller": caller, **{key.replace("_", "-"): value for key, value in headers.items()}}
        scope = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.partition("?")[0].encode("latin-1"),
            "query_string": path.partition("?")[2].encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value],
            "client": ("192.0.2.9", 1),
            "server": ("127.0.0.1", 1),
        }

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def note(message: Any) -> None:
            self.seen.append(message)

        await self.application(scope, receive, send or note)


async def fine(_exchange: Exchange) -> Response:
    """Answer."""
    return json_response({"ok": True})


def raising(error: Exception) -> Callable[[Exchange], Any]:
    """Return a handler that raises."""

    async def handler(_exchange: Exchange) -> Response:
        raise error

    return handler


def test_a_request_is_recorded_once_and_before_the_first_byte() -> None:
    """Whoever has the answer may ask for it at once."""
    witness = Witness(fine).ask(
        path="/things/1?Api-Version=2024", user_agent="azsdk-python-x/1.0 Python/3", x_ms_client_request_id="c"
    )
    assert [type(one) for one in witness.seen] == [Request, dict, dict]
    fact = witness.facts[0]
    assert (fact.resource, fact.service, fact.operation, fact.caller) == ("demo", "things", "Get", "me")
    assert (fact.status, fact.status_class, fact.served) == (200, "2xx", True)
    assert (fact.api_version, fact.sdk, fact.client_request_id) == ("2024", "azsdk-python-x/1.0", "c")
    assert (fact.happened_at, fact.caller_ip) == (witness.clock.now(), "192.0.2.9")
    assert (b"ms-cv", fact.ms_cv.encode()) in witness.seen[1]["headers"]


def test_the_moment_of_a_request_is_when_it_arrived() -> None:
    """Not when it was answered."""

    async def slow(_exchange: Exchange) -> Response:
        witness.clock.advance(60)
        return json_response({})

    witness = Witness(slow)
    witness.ask()
    assert witness.facts[0].happened_at == witness.clock.now() - timedelta(seconds=60)


@pytest.mark.parametrize(
    ("error", "status"),
    [(kind("no"), status) for kind, status in STATUS.items()] + [(TrunklineError("x"), 500), (ValueError("x"), 500)],
    ids=lambda part: type(part).__name__ if isinstance(part, Exception) else str(part),
)
def test_every_error_is_answered_in_the_doors_words_and_measured_once(error: Exception, status: int) -> None:
    """Ours with their status, a mistake of ours as 500 without its words."""
    witness = Witness(raising(error)).ask()
    assert witness.statuses == [status]
    assert [(fact.status, fact.operation) for fact in witness.facts] == [(status, "Get")]
    if isinstance(error, ValueError):
        assert witness.said == "The server made a mistake; its log tells which."
        assert witness.application.errors == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/things/1/2/3", 404, "Bad Route: no operation has GET /things/1/2/3. The nearest operation is "),
        ("DELETE", "/things/1", 405, "Bad Route: /things/1 takes GET, PUT, not DELETE."),
        ("get", "/things/1", 405, "not get"),
    ],
)
def test_an_unknown_route_counts_as_the_metric_says(method: str, path: str, status: int, words: str) -> None:
    """Path or method: under the metric's own word, with what was probably meant."""
    witness = Witness(fine).ask(method, path)
    assert witness.statuses == [status]
    assert [(fact.operation, fact.status, fact.resource) for fact in witness.facts] == [("Bad Route", status, "demo")]
    assert words in witness.said


def test_an_unknown_route_is_told_to_strangers_too() -> None:
    """Whose it is stays open: it counts for the default resource."""
    witness = Witness(fine).ask("GET", "/things/1/2/3", caller="")
    assert [(fact.operation, fact.status, fact.resource, fact.caller) for fact in witness.facts] == [
        ("Bad Route", 404, "standard", "")
    ]


def test_a_refused_caller_counts_for_the_resource_that_the_host_names() -> None:
    """A 401 of the demo is the demo's own; without a name it is the default's."""
    for host, resource in (("demo.communication.localhost", "demo"), ("localhost", "standard")):
        witness = Witness(fine).ask(host=host, caller="")
        assert [(fact.status, fact.resource) for fact in witness.facts] == [(401, resource)]


@pytest.mark.parametrize(
    ("operation", "words"),
    [("future", "It is yet to come."), ("missing", "Trunkline does not serve Missing yet.")],
)
def test_what_is_not_served_is_marked_so(operation: str, words: str) -> None:
    """501 with the reason, counted under its operation, but with a mark that no health rule counts."""
    witness = Witness(fine).ask("POST", f"/things/1:{operation}")
    assert witness.statuses == [501]
    assert [(fact.status, fact.served) for fact in witness.facts] == [(501, False)]
    assert witness.said == words


def test_a_part_of_an_operation_that_is_not_served_is_marked_too() -> None:
    """A handler may say so itself."""
    witness = Witness(raising(UnservedError("Not this kind."))).ask()
    assert [(fact.status, fact.served) for fact in witness.facts] == [(501, False)]


def test_an_open_operation_is_neither_measured_nor_asked_for_its_host_or_caller() -> None:
    """A probe by address, or a webhook's owner from anywhere; but a proxy's word is still only taken from a proxy."""
    witness = Witness(fine).ask("GET", "/things/1/check", host="anything.example", caller="")
    assert witness.statuses == [200]
    assert witness.facts == []
    witness = Witness(raising(NotFoundError())).ask("GET", "/things/1/check", host="", caller="")
    assert witness.statuses == [404]
    assert witness.facts == []


def test_a_foreign_host_is_refused_before_anything_else() -> None:
    """Neither body nor key is looked at; it is measured all the same."""
    handled: list[Exchange] = []

    async def handler(exchange: Exchange) -> Response:
        handled.append(exchange)
        return json_response({})

    witness = Witness(handler).ask(host="evil.example")
    assert witness.statuses == [421]
    assert [(fact.status, fact.caller) for fact in witness.facts] == [(421, "")]
    assert handled == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 101, 413),
        ([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}], 400),
        ([{"type": "http.disconnect"}], 400),
    ],
    ids=["too large", "gone in mid-body", "gone at once"],
)
def test_a_body_that_does_not_come_whole_is_measured_once_and_hangs_nothing(body: Any, status: int) -> None:
    """The handler never sees half a request."""
    witness = Witness(raising(AssertionError("handled"))).ask("PUT", body=body)
    assert [fact.status for fact in witness.facts] == [status]
    assert witness.statuses == [status]


def test_a_body_that_did_not_come_ends_the_connection() -> None:
    """RFC 9110, 15.5.9: whoever was too slow must not send its rest into the next request."""
    for error, closes in ((StalledError(), True), (NotFoundError(), False)):
        witness = Witness(raising(error)).ask("PUT")
        assert ((b"connection", b"close") in witness.seen[1]["headers"]) is closes


def test_what_the_log_knows_already_is_told_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk refuses every request: none of them is an error or a traceback of its own."""
    caplog.set_level(logging.DEBUG, logger="trunkline.requests")
    cause = OSError("no space")
    for told in (False, True):
        error = UnavailableError("Not now.", told=told)
        error.__cause__ = cause
        Witness(raising(error)).ask()
    assert not any(record.exc_info for record in caplog.records)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "DEBUG", "INFO"]


def test_a_client_that_leaves_in_mid_answer_was_measured_before() -> None:
    """The error of sending goes to the server; the request counts once, with what it was answered."""
    witness = Witness(fine)

    async def gone(_message: Any) -> None:
        raise OSError("the client has gone")

    with pytest.raises(OSError, match="gone"):
        witness.ask(send=gone)
    assert [fact.status for fact in witness.facts] == [200]


def test_a_path_of_no_api_is_not_found_and_counted_by_nobody() -> None:
    """It belongs to no service."""
    witness = Witness(fine).ask(path="/favicon.ico")
    assert witness.statuses == [404]
    assert witness.facts == []


def test_logs_tell_of_failures_without_bodies_and_queries(caplog: pytest.LogCaptureFixture) -> None:
    """A server error at error level, a client's at info; what is not served is no error of ours."""
    caplog.set_level(logging.DEBUG, logger="trunkline.requests")
    Witness(raising(ValueError("x"))).ask("PUT", "/things/1?secret=hunter2", body=b"hunter2")
    Witness(fine).ask("GET", "/things/nothing/" + "x" * 5000 + "?secret=hunter2")
    Witness(fine).ask("POST", "/things/1:future")
    levels = [(record.levelname, record.args[3]) for record in caplog.records if "%.1f ms" in record.msg]  # type: ignore[index]
    assert levels == [("ERROR", 500), ("INFO", 404), ("INFO", 501)]
    assert "hunter2" not in caplog.text
    assert max(len(record.getMessage()) for record in caplog.records) < 500


def test_the_refusals_of_a_quiet_resource_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """The demo is refused on purpose; what goes wrong in the server is told for it, too."""
    caplog.set_level(logging.INFO, logger="trunkline.requests")
    for handler in (raising(InvalidError("x")), raising(ValueError("x"))):
        witness = Witness(handler)
        witness.application.quiet.add("demo")
        witness.ask("PUT", "/things/1")
    assert [record.args[3] for record in caplog.records if "%.1f ms" in record.msg] == [500]  # type: ignore[index]


def test_a_socket_of_another_kind_is_declined() -> None:
    """No WebSockets, and no lifespan: the parts are started around the application."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    application = Witness(fine).application
    asyncio.run(application({"type": "websocket"}, receive, send))
    asyncio.run(application({"type": "lifespan"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1003}]
