"""Outages and alerts over facts in ClickHouse: what is asked for there is answered as from the data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.insight.scene import answer, begin, kept, pass_minute
from tests.support.clickhouse import Served
from tests.support.stores import Place
from tests.support.world import World
from trunkline.insight.alerts import AlertRule, Criterion


def test_outages_and_alerts_are_found_there_too(
    make_world: Callable[..., World], clickhouse: Callable[[], Served], tmp_path: Path
) -> None:
    """With the same figures, the requests that made them, and how things stand."""
    world = make_world(facts=Place("clickhouse", tmp_path, clickhouse).setting)
    begin(world)
    share = Criterion(measure="requests.unmendable", of="requests.served", when="above", value=0.1)
    quiet = Criterion(measure="calls.mos_avg", when="absent")
    for name, criterion in (("share", share), ("quiet", quiet)):
        rule = AlertRule(name=name, resource="trunkline", criteria=(criterion,))
        world.run(world.house.alert_rules.put(rule))
    for _ in range(5):
        answer(world, 5, 501, served=False)
        answer(world, 5, 503)
        pass_minute(world, good=3, bad=2)
    found = {(one.kind, one.rule, one.resource): one for one in kept(world)}
    assert set(found) == {
        ("outage", "", ""),
        ("outage", "", "trunkline"),
        ("alert", "share", "trunkline"),
        ("alert", "quiet", "trunkline"),
    }
    one = found["outage", "", "trunkline"]
    assert (one.requests, one.failures, one.value) == (50, 10, 0.2)
    assert [sample["status"] for sample in one.samples] == [500] * 10
    assert found["alert", "share", "trunkline"].value == 0.2
    (standing,) = world.run(world.house.standings.now()).resources
    assert (standing.service, standing.state, standing.failures) == ("chat", "unavailable", 10)
