"""Outages: more than 3 % of a service's requests fail beyond retrying, for five minutes; by a clock that is turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.insight.scene import MINUTE, answer, begin, kept, look, pass_minute
from tests.support.webhook import Webhook, webhook
from tests.support.world import World
from trunkline.config import Settings
from trunkline.errors import ConfigurationError
from trunkline.events.filters import Filter
from trunkline.events.subscription import Spec
from trunkline.insight.health import Counts, Rule, judge, rule_of
from trunkline.insight.incidents import Incident

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULE = rule_of(Settings())
BLANK = Incident(
    id="0000-0000",
    kind="outage",
    service="chat",
    title="Chat",
    began_at=NOON,
    opened_at=NOON,
    last_at=NOON,
    updated_at=NOON,
    told_at=NOON,
    threshold=0.03,
)


def verdicts(*minutes: tuple[int, int], rule: Rule = RULE) -> list[str]:
    """Say what becomes of an incident after each minute, of requests and failures: "" while there is none."""
    counts = {NOON + place * MINUTE: Counts(*one) for place, one in enumerate(minutes) if one[0]}
    one, is_open, found = BLANK, False, []
    for place in range(1, len(minutes) + 1):
        seen = {at: value for at, value in counts.items() if at < NOON + place * MINUTE}
        change = judge(rule, one, seen, NOON + place * MINUTE, is_open=is_open)
        if change is None:
            found.append("")
            continue
        found.append(change.what or "open")
        is_open = change.incident.closed_at is None
        one = change.incident if is_open else BLANK
    return found


def test_three_of_a_hundred_is_no_outage() -> None:
    """The share must be above 3 %, and exactly 3 % is not."""
    assert verdicts(*[(100, 3)] * 20) == [""] * 20


def test_a_little_more_than_three_of_a_hundred_is_an_outage_in_the_fifth_minute() -> None:
    """Not before: a period is sustained when five minutes, one after the other, were above."""
    assert verdicts(*[(1000, 31)] * 6) == ["", "", "", "", "opened", "open"]


def test_too_few_requests_are_no_outage() -> None:
    """Twenty must have come in the five minutes together."""
    assert verdicts(*[(4, 4)] * 4, (3, 3)) == [""] * 5
    assert verdicts(*[(4, 4)] * 5)[-1] == "opened"


def test_a_minute_without_requests_is_not_above() -> None:
    """Nobody was refused in it: the five minutes begin anew."""
    assert verdicts(*[(100, 50)] * 4, (0, 0), *[(100, 50)] * 5) == [""] * 9 + ["opened"]


def test_a_good_minute_begins_the_period_anew() -> None:
    """However bad the others were."""
    assert verdicts(*[(100, 100)] * 4, (100, 3), *[(100, 100)] * 5) == [""] * 9 + ["opened"]


def test_an_outage_is_over_after_ten_quiet_minutes() -> None:
    """A minute at the border, or without requests, is quiet; one above begins the ten anew."""
    found = verdicts(*[(100, 4)] * 5, *[(100, 3)] * 9, (100, 4), *[(0, 0)] * 10)
    assert found.index("closed") == 24
    assert found[:14] == [""] * 4 + ["opened"] + ["open"] * 9
    assert found[14] == "updated"  # told again when it is above and five minutes have passed


def test_while_it_lasts_it_is_told_every_five_minutes() -> None:
    """Figures change every minute; nobody wants to hear of each."""
    assert verdicts(*[(100, 4)] * 16)[4:] == ["opened", *(["open"] * 4 + ["updated"]) * 2, "open"]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=40))
def test_the_rule_is_its_sentence(pairs: list[tuple[int, int]]) -> None:
    """An incident opens exactly where five minutes were above, with enough requests, and none is open."""
    minutes = [(max(pair), min(pair)) for pair in pairs]
    found = verdicts(*minutes)
    is_open, quiet = False, 0
    for place, what in enumerate(found):
        last = minutes[max(0, place - 4) : place + 1]
        holds = len(last) == 5 and all(bad > 0.03 * all_ for all_, bad in last) and sum(a for a, _ in last) >= 20
        if not is_open:
            assert (what == "opened") is holds
            is_open, quiet = holds, 0
            continue
        quiet = 0 if minutes[place][1] > 0.03 * minutes[place][0] else quiet + 1
        assert (what == "closed") is (quiet == 10)
        is_open = what != "closed"


def test_which_statuses_count_is_a_setting() -> None:
    """One, a class, or from one to another; a slip stops the start."""
    assert {500, 502, 504, 599} <= RULE.statuses
    assert not {200, 404, 429, 501, 503} & RULE.statuses
    assert rule_of(Settings(outage_statuses=("4XX", "503"))).statuses == {*range(400, 500), 503}
    for wrong in ("5x", "5000", "500-", "0xx", "abc", "500 "):
        with pytest.raises(ConfigurationError, match="outage_statuses"):
            rule_of(Settings(outage_statuses=(wrong,)))


# --- in a house ---


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a webhook."""
    with webhook() as running:
        yield running


def test_an_incident_opens_is_updated_closes_and_keeps_its_figures(world: World) -> None:
    """With the requests that made it, by their ids, and the question that shows the figures again."""
    began_at = begin(world)
    for _ in range(5):
        pass_minute(world, good=19, bad=1)
    chat, own = kept(world)
    assert (chat.service, chat.resource, own.resource) == ("chat", "", "trunkline")
    assert own.within == chat.id
    assert chat.began_at == began_at.replace(second=0)
    assert (chat.requests, chat.failures, chat.value, chat.closed_at) == (100, 5, 0.05, None)
    pass_minute(world, good=9, bad=1)
    for _ in range(10):
        pass_minute(world, good=20)
    chat, own = kept(world)
    assert (chat.requests, chat.failures, chat.value, chat.peak) == (310, 6, 0.0, 0.1)
    assert chat.closed_at == chat.last_at + 10 * MINUTE
    assert chat.last_at == chat.began_at + 6 * MINUTE
    assert [one["status"] for one in own.samples] == [500] * 6
    assert all(one["ms_cv"] and one["request_id"] and one["operation"] == "SendChatMessage" for one in own.samples)
    asked = world.call(
        "POST", "/api/v1/ask", json=own.question, token=world.house.resources.get("trunkline").api_key
    ).json
    assert sum(point["values"][0] for point in asked["points"] if point["split"] == ["500"]) == own.failures
    for _ in range(5):
        pass_minute(world, good=20)
    assert len(kept(world)) == 2


def test_what_does_not_count_makes_no_outage(world: World) -> None:
    """What is not served or not built, what the caller did wrong, and what says when to come back."""
    begin(world)
    for _ in range(7):
        answer(world, 10, 501, served=False)
        answer(world, 10, 500, served=False)
        answer(world, 10, 503)
        answer(world, 10, 501)
        answer(world, 10, 429)
        answer(world, 10, 404)
        answer(world, 10, 500, service="rooms")
        pass_minute(world, good=1)
    assert kept(world) == []


def test_a_service_is_judged_for_each_resource_and_as_a_whole(world: World) -> None:
    """One resource's outage need not be the service's, nor the other way round; services do not mix."""
    world.run(world.house.resources.create("shop"))
    begin(world)
    for _ in range(5):
        answer(world, 960)
        answer(world, 10, service="sms", resource="shop")
        answer(world, 1, 500, service="sms", resource="shop")
        pass_minute(world, good=20, bad=4, resource="shop")
    assert [(one.service, one.resource) for one in kept(world)] == [
        ("chat", "shop"),
        ("sms", ""),
        ("sms", "shop"),
    ]
    assert [(one.service, one.resource) for one in kept(world, "trunkline")] == [("sms", "")]
    (whole,) = kept(world, "trunkline")
    assert (whole.samples, whole.requests) == ([], 0)


def test_a_restart_goes_on_where_it_was(world: World) -> None:
    """What passed meanwhile is looked at once: figures are counted neither twice nor not at all."""
    begin(world)
    for _ in range(4):
        pass_minute(world, good=10, bad=10)
    world.restart()
    look(world)
    pass_minute(world, good=10, bad=10)
    assert {one.requests for one in kept(world)} == {100}
    answer(world, 5, 500)
    world.clock.advance(60)
    answer(world, 7, 500)
    world.restart()
    world.clock.advance(60)
    look(world)
    world.restart()
    look(world)
    assert {(one.requests, one.failures) for one in kept(world)} == {(112, 62)}


def test_the_second_of_two_who_look_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes first has looked at the minute."""
    begin(world)
    for _ in range(4):
        pass_minute(world, good=10, bad=10)
    answer(world, 20, 500)
    world.clock.advance(60)
    outages = world.house.outages
    inner, is_first = outages.changes, [True]

    async def slowly(until: datetime, those: list[Incident]) -> Any:
        found = await inner(until, those)
        if is_first.pop() if is_first else False:
            await world.house.watch.look()
        return found

    monkeypatch.setattr(outages, "changes", slowly)
    look(world)
    assert {one.requests for one in kept(world)} == {100}
    assert len([one for one in world.happenings() if one.name.startswith("health.")]) == 2


def test_the_watch_looks_by_itself_every_minute(world: World) -> None:
    """Ten seconds after each full minute."""
    begin(world)
    for _ in range(5):
        answer(world, 10, 500)
        world.advance(60)
        expected = world.clock.now().replace(second=0)
        world.until(lambda expected=expected: world.house.watch.looked_at == expected)  # type: ignore[misc]
    assert len(kept(world)) == 2


def test_incidents_that_are_long_over_are_forgotten(make_world: Callable[..., World]) -> None:
    """After so many days; what is open stays."""
    world = make_world(incident_retention_days=1)
    begin(world)
    for _ in range(5):
        pass_minute(world, bad=20)
    for _ in range(10):
        pass_minute(world)
    assert len(kept(world)) == 2
    world.run(world.house.watch._forget())
    assert len(kept(world)) == 2
    world.clock.advance(24 * 3600 + 60)
    world.run(world.house.watch._forget())
    assert kept(world) == []


def subscribe(world: World, hook: Webhook, name: str, resource: str, *types: str) -> None:
    """Subscribe the webhook to a resource's events."""

    async def wait() -> None:
        spec = Spec(url=f"{hook.base}/{name}", filter=Filter(types=types))
        await world.house.subscriptions.create_or_update(resource, name, spec)
        await world.house.subscriptions.settled(resource, name)

    world.run(wait())


def test_incidents_are_told_to_webhooks_that_name_them(world: World, hook: Webhook) -> None:
    """And to no others: who takes every event of the original gets none that it has not."""
    world.run(world.house.resources.create("shop"))
    types = [f"Trunkline.Incident{what}" for what in ("Opened", "Updated", "Closed")]
    subscribe(world, hook, "shop", "shop", *types)
    subscribe(world, hook, "other", "trunkline", *types)
    subscribe(world, hook, "plain", "shop")
    begin(world)
    for _ in range(10):
        answer(world, 1000)
        pass_minute(world, good=1, bad=3, resource="shop")
    for _ in range(10):
        pass_minute(world)
    world.until(lambda: len(hook.events(target="/shop")) == 3)
    opened, updated, closed = hook.events(target="/shop")
    assert [one["eventType"] for one in (opened, updated, closed)] == types
    data = opened["data"]
    (one,) = kept(world)
    assert opened["subject"] == f"incident/{one.id}"
    assert (data["incident_id"], data["service"], data["scope"], data["resource"]) == (
        one.id,
        "chat",
        "resource",
        "shop",
    )
    assert (data["requests"], data["failures"], data["value"], data["threshold"]) == (20, 15, 0.75, 0.03)
    assert (updated["data"]["requests"], closed["data"]["closed_at"]) == (40, "2026-11-21T12:21:00.000Z")
    assert len(data["samples"]) == 10
    assert hook.events(target="/other") == hook.events(target="/plain") == []


def test_who_is_on_call_gets_a_text_message(make_world: Callable[..., World]) -> None:
    """Once when it begins and once when it is over, from the default resource's number; not for each resource too."""
    world = make_world(alert_sms_from="+18005550199", alert_sms_to=("+14255550123",))
    begin(world)
    for _ in range(11):
        pass_minute(world, good=5, bad=5)
    for _ in range(10):
        pass_minute(world, good=5)
    key = world.house.resources.get("trunkline").api_key
    found = world.call("GET", "/api/v1/inbox?channel=sms", token=key).json["messages"]
    over, begun = (one["text"] for one in found)
    (one, _) = kept(world)
    assert begun == (
        "Trunkline: Chat: requests fail beyond retrying since 2026-11-21 12:01 UTC: 25 of 50 requests (50.0 %). "
        f"Incident {one.id}."
    )
    assert "over: Chat: requests fail beyond retrying, from 2026-11-21 12:01 to 2026-11-21 12:12 UTC" in over


@pytest.mark.parametrize(
    "settings",
    [
        {"alert_sms_to": ("+14255550123",)},
        {"alert_sms_from": "+18005550199"},
        {"alert_sms_from": "+18005550111", "alert_sms_to": ("+14255550123",)},
        {"alert_sms_from": "+18005550199", "alert_sms_to": ("Acme",)},
        {"outage_statuses": ("5",)},
    ],
)
def test_settings_that_tell_nobody_stop_the_start(make_world: Callable[..., World], settings: dict[str, Any]) -> None:
    """A slip is found before the first outage."""
    with pytest.raises(ConfigurationError):
        make_world(**settings)


def test_an_incident_that_is_replaced_is_the_same(world: World) -> None:
    """What is kept is read back as it was."""
    begin(world)
    for _ in range(5):
        pass_minute(world, bad=20)
    one = kept(world)[0]
    assert world.run(world.house.incidents.get(one.id.lower())) == one
    assert msgspec.convert(msgspec.to_builtins(one), Incident) == one
    assert one.opened_at - one.began_at == timedelta(minutes=5)


def test_what_is_announced_is_told_to_everybody(make_world: Callable[..., World], hook: Webhook) -> None:
    """Every account hears of maintenance, and who is on call; once when it is announced, and once when it is ended."""
    world = make_world(alert_sms_from="+18005550199", alert_sms_to=("+14255550123",))
    world.run(world.house.resources.create("shop"))
    types = ("Trunkline.NoticeAnnounced", "Trunkline.NoticeEnded")
    for name in ("shop", "trunkline"):
        subscribe(world, hook, name, name, *types)
    subscribe(world, hook, "plain", "shop")
    notices = world.house.notices
    made = world.run(notices.add("maintenance", "Disks.", service="chat", ends_at=NOON + timedelta(hours=2)))
    world.run(notices.end(made.id))
    for name in ("shop", "trunkline"):
        world.until(lambda name=name: len(hook.events(target=f"/{name}")) == 2)  # type: ignore[misc]
        announced, ended = sorted(hook.events(target=f"/{name}"), key=lambda event: str(event["eventType"]))
        assert [announced["eventType"], ended["eventType"]] == [*types]
        assert announced["subject"] == f"notice/{made.id}"
        assert (announced["data"]["text"], announced["data"]["until"]) == ("Disks.", "2026-11-21T14:00:00.000Z")
        assert ended["data"]["ended_at"] == "2026-11-21T12:00:00.000Z"
    assert hook.events(target="/plain") == []
    key = world.house.resources.get("trunkline").api_key
    found = world.call("GET", "/api/v1/inbox?channel=sms", token=key).json["messages"]
    assert {one["text"].partition(" of ")[0] for one in found} == {
        "Trunkline: maintenance",
        "Trunkline: over: maintenance",
    }
