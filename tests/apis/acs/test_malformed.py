"""Whatever comes in, the answer is the vendor's error body and never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.asgi import Answer
from tests.support.world import HOST, User, World
from trunkline.catalogue.load import load
from trunkline.errors import TrunklineError

ROUTES = sorted(
    row.route
    for service in load().of_vendor("acs")
    if service.built
    for row in service.operations.values()
    if row.route
)
# fmt: off
NAMES = [
    "topic", "participants", "metadata", "communicationIdentifier", "communicationUser", "rawId", "id",
    "phoneNumber", "value", "displayName", "shareHistoryTime", "microsoftTeamsUser", "microsoftTeamsApp",
    "userId", "appId", "isAnonymous", "cloud", "content", "type", "senderDisplayName", "chatMessageId",
    "scopes", "expiresInMinutes", "createTokenWithScopes", "token", "retentionPolicy", "kind", "exp",
]
# fmt: on
WORDS = [
    *NAMES,
    "chat",
    "voip",
    "html",
    "text",
    "2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "8:acs:a_b",
    "4:+1",
    "",
    "\0",
    "\ud800",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**18), 2**63, 1e300, 60, 1440])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
RAW = {
    "nothing": b"",
    "a beginning": b"{",
    "UTF-16": b"\xff\xfe{\x00}\x00",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "half a character": b'{"topic":"\\ud800","content":"\\ud800"}',
    "no number": b"NaN",
    "an endless number": b'{"expiresInMinutes":1e999}',
}
BODIES = (
    VALUES.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(sorted(RAW)).map(RAW.__getitem__)
    | st.binary(max_size=40)
)
VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40)
QUERIES = st.sampled_from(
    [
        "api-version=1",
        "",
        "api-version=",
        "api-version=1&syncState=%00",
        "api-version=1&startTime=9999-12-31T23:59:59-14:00",
        "api-version=1&maxPageSize=1e9&skip=99999999999999999999",
        "&".join("a=b" for _ in range(300)),
        "%",
        "=&=&&",
        "api-version=%FF",
    ]
) | VISIBLE.map("api-version=1&{}".format)
SEGMENTS = st.sampled_from(
    [
        "%",
        "%00",
        "%2F",
        "..",
        "x" * 3000,
        "19%3Ax%40thread.v2",
        "%FF%FE",
        "%F0%9F%98%80",
        "\xe9",
        "1",
        "0",
        "99999999999999999999",
    ]
) | VISIBLE.map(lambda text: quote(text, safe="") or "-")
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content-type",
            "x-ms-client-request-id",
            "repeatability-request-id",
            "x-ms-date",
            "x-ms-content-sha256",
            "authorization",
            "user-agent",
            "x-forwarded-host",
            "content-length",
            "date",
            "host",
        ]
    ),
    VISIBLE
    | st.sampled_from(
        ["Bearer ", "HMAC-SHA256 SignedHeaders=date;host;x-ms-content-sha256&Signature=YQ==", "Bearer a.b.c"]
    ),
    max_size=2,
)
KNOWN = {"thread_id": "{thread}", "message_id": "{message}", "identity_id": "{user}"}


@st.composite
def paths(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a method and a path: an operation's, with ids that are there or are not, or nobody's."""
    method, path = draw(st.sampled_from(ROUTES)).split(" ")
    for name, known in KNOWN.items():
        path = path.replace(
            f"{{{name}}}", known if draw(st.booleans()) else draw(SEGMENTS).replace("{", "").replace("}", "")
        )
    if draw(st.integers(0, 9)) == 0:
        path += "/" + draw(SEGMENTS).replace("{", "").replace("}", "")
    if draw(st.integers(0, 9)) == 0:
        method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]))
    return method, path


@pytest.fixture
def target(make_world: Callable[..., World]) -> tuple[World, User, dict[str, str]]:
    """Make a world with a user, a thread and a message; what fails inside is raised, not answered with 500."""
    world = make_world(max_body_bytes=1_000_000)
    user = world.user("chat")
    thread = world.thread(user, world.user())
    sent = world.call("POST", f"{thread}/messages", json={"content": "c"}, token=user.token).json["id"]
    for door in world.house.application._doors:
        door.refuse = _outspoken(door.refuse)  # type: ignore[method-assign]
    return world, user, {"thread": thread.rpartition("/")[2], "message": sent, "user": user.path}


def _outspoken(refuse: Any) -> Any:
    def wrapped(exchange: Any, error: TrunklineError) -> Any:
        if type(error) is TrunklineError:  # the one for what nobody foresaw
            raise AssertionError(f"{exchange.method} {exchange.raw_path}") from error.__context__
        return refuse(exchange, error)

    return wrapped


def check(answer: Answer) -> None:
    """Check that an answer is one of the vendor's."""
    assert answer.status < 500 or answer.status == 501
    if answer.status >= 400:
        error = answer.json["error"]
        assert error["code"]
        assert error["message"]
        assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["ms-cv"]


@settings(max_examples=600, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    where=paths(),
    query=QUERIES,
    body=BODIES,
    headers=HEADERS,
    who=st.sampled_from(["user", "key", "stand-in", "nobody"]),
)
@example(
    ("POST", "/chat/threads/{thread}/participants/:remove"), "api-version=1", b'{"microsoftTeamsApp":"x"}', {}, "user"
)
@example(("GET", "/chat/threads"), "api-version=1&startTime=0001-01-01T00:00:00%2B14:00", b"", {}, "user")
def test_nothing_that_comes_in_breaks_the_server(
    target: tuple[World, User, dict[str, str]],
    where: tuple[str, str],
    query: str,
    body: bytes,
    headers: dict[str, str],
    who: str,
) -> None:
    """Random paths, queries, bodies and headers, from users, keys and strangers."""
    world, user, ids = target
    method, path = where[0], where[1].format(**ids)
    token = {"user": user.token, "stand-in": "a.b.c"}.get(who, "")
    asked = f"{path}?{query}"
    check(world.call(method, asked, body=body, headers=headers, host=HOST, token=token, key=who == "key"))


def test_a_path_that_nobody_serves_is_refused_in_the_vendors_words(world: World) -> None:
    """An SDK of a service that is not even catalogued reads a code, and the ids to find its request by."""
    answer = world.call("GET", "/phoneNumbers?api-version=2025-06-01", headers={"x-ms-client-request-id": "abc"})
    assert (answer.status, answer.json["error"]["code"]) == (404, "NotFound")
    assert answer.headers["x-ms-client-request-id"] == "abc"
    assert {"ms-cv", "x-ms-request-id"} <= answer.headers.keys()


def test_an_unbuilt_service_names_the_versions_it_is_asked_with(world: World) -> None:
    """Every answer of the data plane carries the same headers."""
    answer = world.call("GET", "/rooms?api-version=2025-03-13", key=True)
    assert (answer.status, answer.headers["api-supported-versions"]) == (501, "2025-03-13")
