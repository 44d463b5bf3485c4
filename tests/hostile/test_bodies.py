"""Bodies broken in every way: the answer says so in the vendor's words, whatever the operation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.examples import BODIES, QUERIES, body_of, query_of
from tests.hostile.oddities import UNREADABLE, WRONG_SHAPES, WRONG_TEXTS
from tests.hostile.scene import LARGEST_BODY, OPERATIONS, Scene
from tests.hostile.strategies import broken, effort, places, put, render, takes_a_body
from trunkline.catalogue.rows import Operation

WITH_A_BODY = [operation for operation in OPERATIONS if takes_a_body(operation)]
WITH_AN_EXAMPLE = [operation for operation in WITH_A_BODY if operation.name in BODIES]


def test_the_examples_are_valid(scene: Scene) -> None:
    """Each body that the tests break is taken as long as it is whole: what is broken is what they broke."""
    assert BODIES.keys() <= {operation.name for operation in WITH_A_BODY}
    for operation in filter(scene.serves, WITH_AN_EXAMPLE):
        answer = scene.send(operation, render(body_of(operation)))
        assert answer.status < 300, (operation.name, answer)


@pytest.mark.parametrize("kind", [*UNREADABLE, *WRONG_SHAPES])
def test_a_body_that_cannot_be_read_is_a_bad_request(scene: Scene, kind: str) -> None:
    """400 where the operation reads one, 501 where nobody does yet."""
    body = {**UNREADABLE, **WRONG_SHAPES}[kind]
    for operation in WITH_A_BODY:
        answer = scene.send(operation, body)
        if not scene.serves(operation):
            assert answer.status == 501, (operation.name, answer)
        elif operation in WITH_AN_EXAMPLE:
            assert answer.status == 400, (operation.name, answer)


@pytest.mark.parametrize("kind", WRONG_TEXTS)
def test_a_text_that_is_none_is_a_bad_request_wherever_it_stands(scene: Scene, kind: str) -> None:
    """Bad encodings and bare control characters, in place of each text of each body."""
    for operation in filter(scene.serves, WITH_AN_EXAMPLE):
        body = body_of(operation)
        for at in places(body):
            spoilt = put(body, at, lambda old: WRONG_TEXTS[kind] if isinstance(old, str) else old)
            if spoilt != body:
                answer = scene.send(operation, render(spoilt))
                assert answer.status == 400, (operation.name, at, answer)


def test_a_body_over_the_limit_is_refused_by_every_operation(scene: Scene) -> None:
    """413, whether its length is told or shows only while it comes; also where nobody reads it.

    One whose handler reads the body has bounds of its own, and a test of them.
    """
    for operation in (one for one in OPERATIONS if not one.streams):
        for length in ({}, {"content-length": "5"}, {"content-length": "none"}):
            path, query = scene.path(operation), "api-version=1"
            answer = scene.put(operation, path, query, b"x" * (LARGEST_BODY + 1), headers=length)
            assert answer.status == 413, (operation.name, answer)
        answer = scene.put(operation, path, query, b"{}", headers={"content-length": "9" * 30})
        assert answer.status == 413, (operation.name, answer)


def test_a_body_that_says_it_is_something_else_is_read_as_json_or_refused(scene: Scene) -> None:
    """The type that a client names changes nothing: SDKs and proxies name what they like."""
    for operation in filter(scene.serves, WITH_AN_EXAMPLE):
        for kind in ("", "text/plain", "application/merge-patch+json", "application/json; charset=utf-16", "\xff"):
            body = scene.fill(render(body_of(operation)))
            answer = scene.put(operation, scene.path(operation), "api-version=1", body, headers={"content-type": kind})
            if operation.name not in QUERIES:
                assert answer.status < 300, (operation.name, answer)


def test_an_error_does_not_give_a_novel_back(scene: Scene) -> None:
    """What came in is quoted, but cut: neither the answer nor the search for what was meant grows with it."""
    novel = "It was a dark and stormy night. " * 7_000
    subscription = {
        "properties": {**body_of(named("EventSubscriptions_Update")), "filter": {"includedEventTypes": [novel]}}
    }
    for name, body, query in (
        ("EventSubscriptions_CreateOrUpdate", subscription, {"api-version": "1"}),
        ("Ask", {"measures": [novel]}, {}),
        ("MintToken", {"role": "owner", "account": novel}, {}),
        ("Metrics_List", {}, {"api-version": "1", "metricnames": novel[:50_000]}),
        ("GetConnection", {}, {"account": novel[:50_000]}),
    ):
        answer = scene.send(named(name), render(body), query)
        assert 400 <= answer.status < 500, (name, answer)
        assert b"dark and stormy" in answer.body, (name, answer)
        assert len(answer.body) < 3_000, (name, answer)


def named(name: str) -> Operation:
    """Return the operation of a name."""
    return next(operation for operation in OPERATIONS if operation.name == name)


def test_valid_bodies_broken_at_any_depth_break_nothing(scene: Scene) -> None:
    """Parts dropped, of another type, wrapped, renamed, repeated; numbers and texts that no one expects."""

    @effort(500)
    @given(st.data(), st.sampled_from(WITH_A_BODY))
    def each(data: st.DataObject, operation: Operation) -> None:
        if operation not in WITH_AN_EXAMPLE and data.draw(st.integers(0, 3)):
            operation = data.draw(st.sampled_from(WITH_AN_EXAMPLE))  # where there is more to break
        scene.send(operation, data.draw(broken(body_of(operation))), query_of(operation))

    each()
