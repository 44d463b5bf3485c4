"""Paths, methods, queries and headers that nobody should send: refused in the vendor's words, and measured."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.examples import BODIES, QUERIES, body_of, query_of
from tests.hostile.oddities import HEADERS, HOSTS, METHODS, ODD_QUERY_VALUES, SEGMENTS
from tests.hostile.oddities import QUERIES as ODD_QUERIES
from tests.hostile.scene import OPERATIONS, SERVICES, Scene, parameters, shapes_of
from tests.hostile.strategies import broken, effort, headers, queries, render, segments
from tests.support.world import HOST
from trunkline.catalogue.rows import Operation

READING = [operation for operation in OPERATIONS if operation.method == "GET" and operation.auth != "open"]
VERSIONED = [operation for operation in OPERATIONS if operation.auth in {"resource", "user", "management"}]


@pytest.mark.parametrize("odd", range(0, len(SEGMENTS), 8))
def test_an_id_that_cannot_be_names_nothing(scene: Scene, odd: int) -> None:
    """Encoded slashes, dots and NULs, ids of ten kilobytes: each parameter of each path in its turn."""
    for operation in sorted(OPERATIONS, key=lambda row: row.method != "GET"):  # a PUT may make what has the id
        for name in parameters(operation):
            for segment in SEGMENTS[odd : odd + 8]:
                path = scene.path(operation, **{name.rstrip("*"): segment})
                body = scene.fill(render(body_of(operation))) if operation.name in BODIES else b""
                answer = scene.put(operation, path, urlencode(query_of(operation)), body)
                if operation in READING:
                    assert answer.status >= 400, (operation.name, segment[:40], answer)


def test_a_path_that_no_operation_has_is_an_unknown_route(scene: Scene) -> None:
    """404 in the words of the service whose prefix it has; counted under the catalogue's word for such."""
    for service in SERVICES:
        operation = next(iter(row for row in service.operations.values() if row.route))
        for prefix in service.prefixes:
            for rest in ("/no/such/thing/is/here", ":no", "//no//such", "/%00/%2F/..", "/" + "a/" * 2_000):
                answer = scene.put(operation, prefix.rstrip("/") + rest, "api-version=1")
                assert answer.status in {401, 404, 405, 501} or service.name == "event_grid", (
                    service.name,
                    rest,
                    answer,
                )


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(scene: Scene) -> None:
    """405 with Allow, also for methods that nobody has heard of."""
    for operation in OPERATIONS:
        path = scene.path(operation)
        taken = {row.method for row in OPERATIONS if max(shapes_of(row), key=len) in shapes_of(operation)}
        for method in METHODS:
            if method in taken:
                continue
            answer = scene.put(operation, path, "api-version=1", method=method)
            assert answer.status == 405, (method, operation.name, answer)
            assert taken == set(answer.headers["allow"].split(", ")), (method, operation.name, answer)


@pytest.mark.parametrize("query", ["", "api-version=", "api-version", "version=1", "api-version%00=1", "&&"])
def test_a_missing_version_is_named(scene: Scene, query: str) -> None:
    """Every operation of the vendor's planes needs one, or is not served at all."""
    for operation in VERSIONED:
        if not scene.serves(operation):
            continue
        answer = scene.put(operation, scene.path(operation), query)
        assert answer.status == 400, (operation.name, answer)
        assert "api-version" in answer.body.decode(), (operation.name, answer)


def test_no_parameter_of_a_query_breaks_its_operation(scene: Scene) -> None:
    """Each known parameter with a third of the odd values, and each odd query as a whole."""
    for operation in OPERATIONS:
        if operation.name not in QUERIES:
            continue
        body = scene.fill(render(body_of(operation))) if operation.name in BODIES else b""
        valid = query_of(operation)
        for number, name in enumerate(valid):
            for value in ODD_QUERY_VALUES[number % 3 :: 3]:
                scene.put(operation, scene.path(operation), urlencode({**valid, name: value}), body)
        for query in ODD_QUERIES:
            scene.put(operation, scene.path(operation), query, body)


def test_no_header_breaks_an_operation(scene: Scene) -> None:
    """Empty, endless and not ASCII: each operation meets a third of them."""
    for number, operation in enumerate(OPERATIONS):
        if not scene.serves(operation) or operation.name not in {*BODIES, "GetChatThread", "Metrics_List", "GetPage"}:
            continue
        query, body = urlencode(query_of(operation)), scene.fill(render(body_of(operation)))
        for name, values in HEADERS.items():
            for value in values[number % 3 :: 3]:
                scene.put(operation, scene.path(operation), query, body, headers={name: value})


def test_a_host_that_is_none_of_ours_is_misdirected(scene: Scene) -> None:
    """421 before anything else is looked at, in every vendor's words."""
    for operation in OPERATIONS:
        if operation.auth == "open":
            continue
        for host in HOSTS:
            answer = scene.put(operation, scene.path(operation), "api-version=1", headers={"host": host})
            assert answer.status == 421, (host, operation.name, answer)


def test_nothing_that_comes_in_breaks_the_server(scene: Scene) -> None:
    """All of it at once: any operation or none, by whoever, with ids, queries, bodies and headers gone wrong."""
    tokens = [
        "",
        "Bearer ",
        "Bearer a.b.c",
        "Basic YTpi",
        "HMAC-SHA256 ",
        "Bearer " + "x" * 9_000,
        "\xff",
        "key",
        "user",
    ]

    @effort(450)
    @given(st.data(), st.sampled_from(OPERATIONS))
    def each(data: st.DataObject, operation: Operation) -> None:
        odd = {name.rstrip("*"): data.draw(segments()) for name in parameters(operation) if data.draw(st.booleans())}
        path = scene.path(operation, **odd)
        if data.draw(st.integers(0, 9)) == 0:
            path += "/" + data.draw(segments())
        method = data.draw(st.sampled_from(METHODS)) if data.draw(st.integers(0, 9)) == 0 else operation.method
        query, sent = data.draw(queries(query_of(operation))), data.draw(headers())
        body = scene.fill(data.draw(broken(body_of(operation)) | st.binary(max_size=40)))
        who = {"key": None, "user": {"authorization": f"Bearer {scene.things.token}"}}
        token = data.draw(st.sampled_from(tokens)) if data.draw(st.integers(0, 3)) == 0 else "key"
        given = who.get(token, {"authorization": token})
        scene.put(operation, path, query, body, method=method, headers=sent, credentials=given)

    each()


def test_a_path_that_nobody_serves_is_refused_in_the_vendors_words(scene: Scene) -> None:
    """An SDK of a service that is not even catalogued reads a code, and the ids to find its request by."""
    answer = scene.world.call("GET", "/phoneNumbers?api-version=2025-06-01", headers={"x-ms-client-request-id": "abc"})
    assert (answer.status, answer.json["error"]["code"]) == (404, "NotFound")
    assert answer.headers["x-ms-client-request-id"] == "abc"
    assert {"ms-cv", "x-ms-request-id"} <= answer.headers.keys()


def test_an_unbuilt_service_names_the_versions_it_is_asked_with(scene: Scene) -> None:
    """Every answer of the data plane carries the same headers."""
    answer = scene.world.call("GET", "/rooms?api-version=2025-03-13", key=True, host=HOST)
    assert (answer.status, answer.headers["api-supported-versions"]) == (501, "2025-03-13")
