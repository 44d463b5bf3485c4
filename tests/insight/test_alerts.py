"""Alert rules: on any measure, above, below, a share, or nothing at all; told of and kept like outages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tests.insight.scene import MINUTE, answer, begin, kept, look
from tests.support.world import World
from trunkline.errors import ConflictError, InvalidError, NotFoundError
from trunkline.insight import incidents
from trunkline.insight.alerts import AlertRule, Criterion
from trunkline.telemetry.questions import Condition


def put(world: World, name: str = "busy", **given: Any) -> AlertRule:
    """Make a rule of one criterion."""
    criterion = {key: given.pop(key) for key in ("measure", "when", "value", "of", "where") if key in given}
    row: dict[str, Any] = {"measure": "requests.count", "when": "above", "value": 5, **criterion}
    rule = AlertRule(name=name, resource=given.pop("resource", "trunkline"), criteria=(Criterion(**row),), **given)
    return world.run(world.house.alert_rules.put(rule))[0]


def pass_minute(world: World, many: int = 0, **given: Any) -> None:
    """Let so many requests come, and a minute pass."""
    answer(world, many, **given)
    world.clock.advance(60)
    look(world)


def alerts(world: World) -> list[Any]:
    """List the incidents of rules."""
    return [one for one in kept(world) if one.kind == "alert"]


def test_a_threshold_is_met_above_it_and_not_at_it(world: World) -> None:
    """Over the whole window; the incident closes once it is not met any more, with its peak."""
    begin(world)
    put(world, window_minutes=2)
    pass_minute(world, 3)
    pass_minute(world, 2)
    assert alerts(world) == []
    pass_minute(world, 4)
    (one,) = alerts(world)
    assert (one.rule, one.resource, one.value, one.threshold, one.closed_at) == ("busy", "trunkline", 6, 5, None)
    assert one.title == "busy: requests.count above 5 over 2 min"
    assert (one.last_at - one.began_at).total_seconds() == 120
    pass_minute(world, 4)
    pass_minute(world, 1)
    (one,) = alerts(world)
    assert (one.value, one.peak, one.closed_at is None) == (5, 8, False)


def test_what_an_account_sees_is_not_crowded_out_by_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many incidents of others are newer: only as many as may be seen are counted."""
    for name in ("_since", "_seen_since", "_between", "_seen_between"):
        monkeypatch.setattr(incidents, name, getattr(incidents, name).limit(3))
    world.run(world.house.resources.create("other"))
    begin(world)
    put(world)
    pass_minute(world, 6)
    for number in range(3):
        put(world, f"theirs {number}", resource="other", measure="requests.count", when="absent")
        pass_minute(world, 6)
    now = world.clock.now()
    assert [one.rule for one in kept(world)] == ["theirs 0", "theirs 1", "theirs 2"]
    assert [one.rule for one in kept(world, "trunkline")] == ["busy"]
    between = world.house.incidents.between(now - 10 * MINUTE, now, ["trunkline"])
    assert [one.rule for one in world.run(between)] == ["busy"]


def test_an_outage_is_not_crowded_out_by_alerts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of an account's own rules have incidents that are newer."""
    for name in ("_seen_since", "_outages"):
        monkeypatch.setattr(incidents, name, getattr(incidents, name).limit(3))
    begin(world)
    for _ in range(5):
        pass_minute(world, 8, status=500)
    for number in range(3):
        put(world, f"rule {number}")
        pass_minute(world, 8, status=500)
    assert {one.kind for one in kept(world, "trunkline")} == {"alert"}
    found = world.run(world.house.incidents.outages(world.clock.now() - 60 * MINUTE, ["trunkline"]))
    assert found
    assert {one.kind for one in found} == {"outage"}


@pytest.mark.parametrize("is_open", [True, False])
def test_a_rule_that_goes_while_it_is_followed_leaves_no_incident_open(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_open: bool
) -> None:
    """Neither the one that it had already, which is told to be over once, nor the one that it was about to open."""
    begin(world)
    put(world)
    if is_open:
        pass_minute(world, 6)
    ask = world.house.recorder.ask

    async def ask_slowly(question: Any) -> Any:
        points = await ask(question)
        with suppress(NotFoundError):  # it has gone already: the watch looks by itself, too
            await world.house.alert_rules.remove("trunkline", "busy")
        return points

    answer(world, 6)
    world.clock.advance(60)
    for rule in world.house.watch._watchers:
        if rule.kind == "alert":
            monkeypatch.setattr(rule, "_recorder", SimpleNamespace(ask=ask_slowly))
    look(world)
    pass_minute(world)
    (one,) = alerts(world)
    assert one.closed_at is not None
    told = [each.name for each in world.happenings() if each.name.startswith("health.incident.")]
    assert told == ["health.incident.opened", "health.incident.closed"]


def test_the_incident_links_back_to_its_question(world: World) -> None:
    """Whoever puts it sees the minutes that made it."""
    begin(world)
    put(world, measure="requests.failed", where=(Condition(column="operation", values=("SendChatMessage",)),))
    pass_minute(world, 7, status=404)
    (one,) = alerts(world)
    key = world.house.resources.get("trunkline").api_key
    asked = world.call("POST", "/api/v1/ask", json=one.question, token=key).json
    assert [point["values"][0] for point in asked["points"]] == [7]
    names = [event.name for event in world.happenings() if event.facts.get("kind") == "alert"]
    assert names == ["health.incident.opened"]


def test_a_share_is_of_another_measure(world: World) -> None:
    """Exactly the value is not above it; of nothing there is no share."""
    begin(world)
    put(world, measure="requests.failed", of="requests.count", value=0.25, window_minutes=1)
    pass_minute(world)
    answer(world, 3)
    pass_minute(world, 1, status=400)
    assert alerts(world) == []
    answer(world, 2)
    pass_minute(world, 1, status=400)
    (one,) = alerts(world)
    assert one.value == pytest.approx(1 / 3)


@pytest.mark.parametrize("measure", ["requests.count", "requests.duration_avg", "requests.failure_rate"])
def test_absence_is_noticed(world: World, measure: str) -> None:
    """A count of nothing, and a value that there is none of."""
    begin(world)
    put(world, measure=measure, when="absent", window_minutes=2)
    pass_minute(world, 1, status=404, duration_ms=2.0)
    pass_minute(world)
    assert alerts(world) == []
    pass_minute(world)
    assert [one.closed_at for one in alerts(world)] == [None]
    pass_minute(world, 1, status=404, duration_ms=2.0)
    assert [one.closed_at is None for one in alerts(world)] == [False]


def test_what_counts_nothing_is_below(world: World) -> None:
    """And an average of nothing is neither below nor above."""
    begin(world)
    put(world, "few", when="below", value=2)
    put(world, "none", when="at most", value=0)
    put(world, "fast", measure="requests.duration_avg", when="below", value=100)
    pass_minute(world)
    assert {one.rule for one in alerts(world)} == {"few", "none"}
    pass_minute(world, 1, duration_ms=5.0)
    assert {one.rule for one in alerts(world) if one.closed_at is None} == {"few", "fast"}


def test_all_criteria_must_hold(world: World) -> None:
    """Many requests, and many of them in vain."""
    begin(world)
    criteria = (
        Criterion(measure="requests.count", when="at least", value=4),
        Criterion(measure="requests.failed", when="equal", value=2),
    )
    rule = AlertRule(name="both", resource="trunkline", criteria=criteria, window_minutes=1)
    world.run(world.house.alert_rules.put(rule))
    pass_minute(world, 4)
    pass_minute(world, 2, status=404)
    assert alerts(world) == []
    answer(world, 2)
    pass_minute(world, 2, status=404)
    assert [one.title for one in alerts(world)] == [
        "both: requests.count at least 4 and requests.failed equal 2 over 1 min"
    ]


def test_a_rule_is_asked_as_often_as_it_says(world: World) -> None:
    """Every five minutes of the clock; what is met between is not noticed."""
    begin(world)
    put(world, window_minutes=1, every_minutes=5)
    for _ in range(3):
        pass_minute(world, 6)  # of 12:01, 12:02 and 12:03
    assert alerts(world) == []
    pass_minute(world, 6)
    assert len(alerts(world)) == 1


def test_a_rule_is_about_its_own_resource_unless_it_is_for_everywhere(world: World) -> None:
    """Another's requests do not count."""
    world.run(world.house.resources.create("shop"))
    begin(world)
    put(world, "mine")
    put(world, "theirs", resource="shop")
    put(world, "all", everywhere=True)
    pass_minute(world, 6, resource="shop")
    assert {(one.rule, one.resource) for one in alerts(world)} == {("theirs", "shop"), ("all", "trunkline")}


def test_who_removes_or_disables_a_rule_ends_its_incident(world: World) -> None:
    """And tells of it; a rule that is replaced goes on."""
    begin(world)
    for name in ("one", "two", "three"):
        put(world, name)
    pass_minute(world, 6)
    world.run(world.house.alert_rules.remove("trunkline", "ONE"))
    put(world, "two", enabled=False)
    put(world, "three", value=4)
    assert {one.rule: one.closed_at is None for one in alerts(world)} == {"one": False, "two": False, "three": True}
    closed = [event.facts["rule"] for event in world.happenings() if event.name == "health.incident.closed"]
    assert closed == ["one", "two"]
    pass_minute(world, 6)
    assert len(alerts(world)) == 3
    with pytest.raises(NotFoundError):
        world.run(world.house.alert_rules.remove("trunkline", "one"))


def test_a_restart_keeps_rules_and_incidents(world: World) -> None:
    """What was open goes on."""
    begin(world)
    put(world)
    pass_minute(world, 6)
    world.restart()
    pass_minute(world)
    assert [one.closed_at for one in alerts(world)] == [None]
    assert [one.name for one in world.run(world.house.alert_rules.all())] == ["busy"]


@pytest.mark.parametrize(
    "given",
    [
        {"measure": "requests.nothing"},
        {"measure": "requests.count", "of": "calls.count"},
        {"where": (Condition(column="colour", values=("red",)),)},
        {"name": "a/b"},
        {"name": ""},
        {"name": "x" * 261},
        {"name": "İ" * 200},
        {"where": (Condition(column="operation", values=("x",)),) * 21},
        {"where": (Condition(column="operation", values=("x",) * 201),)},
        {"extra": {"tags": {"x": "y" * 70_000}}},
        {"window_minutes": 0},
        {"every_minutes": 61},
        {"severity": 5},
        {"value": float("nan")},
        {"description": "x" * 1001},
    ],
)
def test_a_rule_that_nobody_could_follow_is_refused(shared_world: World, given: dict[str, Any]) -> None:
    """When it is made, not when it should have told."""
    with pytest.raises(InvalidError):
        put(shared_world, **given)


def test_rules_are_bounded(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many an account; one that is replaced is no more."""
    world = make_world()
    monkeypatch.setattr("trunkline.insight.alerts.MOST_OF_ONE", 1)
    put(world)
    put(world, "BUSY")
    with pytest.raises(ConflictError):
        put(world, "other")
