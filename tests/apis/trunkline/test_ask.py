"""Questions over what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World


def test_a_question_counts_the_requests_before_it(own: Any, world: World) -> None:
    """Split by operation and status, over the last hour unless told otherwise."""
    user = world.user()
    world.thread(user)
    answer = own("POST", "/ask", json={"measures": ["requests.count"], "by": ["operation", "status"]})
    assert answer.status == 200
    counted = {tuple(point["split"]): point["values"][0] for point in answer.json["points"]}
    assert counted["CreateIdentity", "201"] == 1
    assert counted["CreateChatThread", "201"] == 1


def test_who_is_confined_sees_his_own_resource_only(own: Any, world: World) -> None:
    """Whatever the question's conditions say."""
    own("PUT", "/accounts/shop")
    world.user()
    theirs = world.house.resources.get("shop").api_key
    question = {"measures": ["requests.count"], "where": [{"column": "resource", "values": ["trunkline"]}]}
    answer = own("POST", "/ask", json=question, token=theirs)
    assert [point["values"][0] for point in answer.json["points"]] in ([], [0])


def test_a_series_has_a_point_for_each_step(own: Any, world: World) -> None:
    """Steps count from the start."""
    world.user()
    world.advance(120)
    world.user()
    start = "2026-11-21T12:00:00Z"
    question = {"measures": ["requests.count"], "start": start, "end": "2026-11-21T12:05:00Z", "step_s": 60}
    question["where"] = [{"column": "service", "values": ["authentication"]}]
    points = own("POST", "/ask", json=question).json["points"]
    assert [(point["at"], point["values"]) for point in points] == [
        ("2026-11-21T12:00:00.000Z", [1]),
        ("2026-11-21T12:02:00.000Z", [1]),
    ]


@pytest.mark.parametrize(
    "question",
    [
        {"measures": []},
        {"measures": ["requests.zeppelins"]},
        {"measures": ["requests.count"], "by": ["password; DROP TABLE requests"]},
        {"measures": ["requests.count"], "start": "2026-11-21T12:00:00Z", "end": "2026-11-21T11:00:00Z"},
        {"measures": ["requests.count"], "step_s": 0},
        {"measures": ["requests.count"], "start": "2020-01-01T00:00:00Z", "step_s": 1},
        {"measures": ["requests.count"], "where": [{"column": "service", "values": ["x"], "op": "eval"}]},
    ],
)
def test_a_question_that_cannot_be_answered_is_a_problem(own: Any, question: dict[str, Any]) -> None:
    """400 with a sentence, never a mistake of the server."""
    answer = own("POST", "/ask", json=question)
    assert answer.status == 400
    assert answer.json["detail"]


@pytest.mark.parametrize(
    ("span", "status"),
    [
        ({"end": "0001-01-01T00:00:00Z"}, 400),
        ({"end": "0001-01-01T00:30:00Z"}, 200),
        ({"start": "0001-01-01T00:00:00+14:00"}, 400),
        ({"end": "9999-12-31T23:59:59-14:00"}, 400),
        ({"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}, 200),
        ({"start": "0001-01-01T00:00:00", "end": "0001-01-01T00:00:01"}, 200),
    ],
)
def test_a_span_at_the_calendars_ends_is_answered_or_refused(own: Any, span: dict[str, str], status: int) -> None:
    """A zone may carry a moment past the years 1 to 9999, and so may the hour before it."""
    assert own("POST", "/ask", json={"measures": ["requests.count"], **span}).status == status
