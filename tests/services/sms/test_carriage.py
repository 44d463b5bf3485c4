"""Carriage: every outcome, carriers that are busy, broken or slow, and what survives a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.services.sms.scene import (
    OFFICE,
    PHONE,
    ScriptedCarrier,
    deliver,
    due_at,
    outcomes,
    pass_time,
    receive,
    reports,
    rows,
    send,
    settle,
)
from tests.support.world import World
from trunkline import app
from trunkline.catalogue.load import load
from trunkline.catalogue.rows import SimulatedNumber
from trunkline.delivery.carrier import Busy, Taken, Text
from trunkline.delivery.carriers.simulated import BUSY_MS
from trunkline.errors import UnavailableError
from trunkline.services.sms import carriage
from trunkline.services.sms.carriage import MOST_OFFERS, Carriage
from trunkline.services.sms.sending import Recipient
from trunkline.services.sms.tables import sent

Make = Callable[..., World]
With = Callable[[Any], World]


@pytest.fixture
def with_carrier(make_world: Make, monkeypatch: pytest.MonkeyPatch) -> With:
    """Make a world with a carrier of the test's own."""

    def make(carrier: Any) -> World:
        monkeypatch.setattr(app, "SimulatedCarrier", lambda _numbers: carrier)
        return make_world()

    return make


# --- the simulated carrier ---


@pytest.mark.parametrize(("number", "row"), load().simulated_numbers.items())
def test_a_simulated_number_has_the_outcome_of_its_row_at_its_time(
    world: World, number: str, row: SimulatedNumber
) -> None:
    """Not a moment before; after so many refusals; or never."""
    given_up = row.refusals >= MOST_OFFERS
    offers = MOST_OFFERS if given_up else row.refusals + 1
    outcome = "unavailable" if given_up else row.outcome
    ms = (offers - 1) * BUSY_MS + (0 if given_up else row.after_ms)
    begun = world.clock.now()
    (one,) = send(world, number, text="x" * 161, tag="spring")
    pass_time(world, ms / 1000 - 0.001)
    assert outcomes(world) == {}
    pass_time(world, 0.001)
    (kept,) = rows(world)
    assert (len(kept.offers), kept.due_at, kept.outcome) == (offers, None, outcome)
    if not outcome:
        pass_time(world, 24 * 3600)
        assert (outcomes(world), rows(world)[0].status) == ({}, "sent")
        return
    assert outcomes(world) == {one.message_id: outcome}
    arrived = outcome == "delivered"
    assert kept.status == ("delivered" if arrived else "failed")
    (event,) = reports(world)
    assert (event.at, event.cause, event.resource) == (begun + timedelta(milliseconds=ms), kept.cause, "trunkline")
    assert event.facts["attempts"] == [
        {
            "at": begun + timedelta(milliseconds=place * BUSY_MS),
            "succeeded": 2 if arrived and place == offers - 1 else 0,
            "failed": 0 if arrived and place == offers - 1 else 2,
        }
        for place in range(offers)
    ]
    told = {"sender": OFFICE, "recipient": number, "number": "18005550199", "tag": "spring", "status": kept.status}
    assert told.items() <= event.facts.items()
    assert (event.facts["number_type"], event.facts["received_at"]) == ("toll free", event.at)


def test_the_table_of_simulated_numbers_has_each_outcome() -> None:
    """And a number that is slow, one that is throttled, one always busy, and one that is never reported."""
    found = load().simulated_numbers.values()
    assert {row.outcome for row in found} == {*load().delivery_outcomes, ""}
    assert any(row.after_ms >= 10_000 for row in found)
    assert {row.refusals >= MOST_OFFERS for row in found if row.refusals} == {True, False}


def test_every_other_number_is_delivered_to(world: World) -> None:
    """Within a quarter of a second."""
    send(world, "12345")
    send(world, "+442071838750")
    pass_time(world, 0.25)
    assert set(outcomes(world).values()) == {"delivered"}


def test_what_is_due_later_is_done_without_being_asked_for(world: World) -> None:
    """The clock alone wakes the carriage, for another try as well as for a report."""
    for number in (PHONE, "+15005550429"):
        send(world, number)
    for _ in range(100):
        world.advance(0.25)
        world.until(lambda: world.house.database.waiting == 0)
        if len(outcomes(world)) == 2:
            break
    assert set(outcomes(world).values()) == {"delivered"}


def test_a_report_is_told_only_when_it_is_wanted(world: World) -> None:
    """What became of the message is kept all the same."""
    send(world, wants_report=False)
    send(world, "+15005554005", wants_report=False)
    pass_time(world, 1)
    assert reports(world) == []
    assert sorted((row.status, row.outcome) for row in rows(world)) == [
        ("delivered", "delivered"),
        ("failed", "blocked"),
    ]


def test_very_many_messages_are_carried_each_once(world: World) -> None:
    """More than are read at once, several times over."""
    for _ in range(10):
        send(world, [Recipient(number=f"+1425555{n:04}") for n in range(100)])
    pass_time(world, 0.25)
    assert len(outcomes(world)) == 1000
    assert {row.status for row in rows(world)} == {"delivered"}


def test_the_moment_at_which_something_is_due_is_found_by_an_index(make_world: Callable[..., World]) -> None:
    """However many messages are over."""
    world = make_world(database="")
    now = world.clock.now()
    for statement, bound in ((carriage._due, {"now": now}), (carriage._next, {"now": now})):
        text = str(statement.compile(world.house.database.engine, compile_kwargs={"render_postcompile": True}))
        values = [0] * text.count("?")
        with world.house.database.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(values)).all()
        assert "sms_sent_due" in str(plan), (bound, plan)
        assert "TEMP B-TREE" not in str(plan)


# --- carriers as they are ---


def test_a_carrier_that_raises_is_asked_again_and_then_given_up(with_carrier: With) -> None:
    """Every five seconds; after the last try the message fails as unavailable."""

    def fall(_text: Text) -> Taken:
        raise ConnectionError("the line is down")

    world = with_carrier(carrier := ScriptedCarrier(fall))
    (one,) = send(world)
    pass_time(world, 5 * (MOST_OFFERS - 1) - 0.001)
    assert (len(carrier.offered), outcomes(world)) == (MOST_OFFERS - 1, {})
    pass_time(world, 3600)
    assert outcomes(world) == {one.message_id: "unavailable"}
    assert [text.attempt for text in carrier.offered] == list(range(1, MOST_OFFERS + 1))
    assert {text.id for text in carrier.offered} == {one.message_id}
    assert {attempt["failed"] for attempt in reports(world)[0].facts["attempts"]} == {1}


def test_a_carrier_that_recovers_delivers(with_carrier: With) -> None:
    """What it took at last arrives."""

    def fall(_text: Text) -> Taken:
        raise ConnectionError("the line is down")

    world = with_carrier(ScriptedCarrier(fall, lambda _text: Busy(retry_after_ms=0), deliver))
    (one,) = send(world)
    pass_time(world, 5)
    assert outcomes(world) == {one.message_id: "delivered"}


def test_a_carrier_that_hangs_holds_up_nobody_else(with_carrier: With) -> None:
    """Other messages are offered and reported while it sits on one; a stop does not wait for it."""

    def slow(text: Text) -> Any:
        return asyncio.Event().wait() if text.recipient == PHONE else deliver(text)

    world = with_carrier(carrier := ScriptedCarrier(slow))
    (stuck,) = send(world)
    world.until(lambda: bool(carrier.offered))
    others = {send(world, f"+1425555{n:04}")[0].message_id for n in range(5)}
    world.until(lambda: len(rows(world, sent.c.status == "delivered")) == 5)
    assert set(outcomes(world)) == others
    assert len([text for text in carrier.offered if text.id == stuck.message_id]) == 1
    world.restart()  # it is offered again by whoever comes next
    world.until(lambda: len([text for text in carrier.offered if text.id == stuck.message_id]) == 2)
    assert {text.attempt for text in carrier.offered} == {1}


def test_a_carrier_that_hangs_counts_as_unavailable(with_carrier: With, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a patience that is real time, so it is short here."""
    monkeypatch.setattr(carriage, "PATIENCE_S", 0.01)
    world = with_carrier(carrier := ScriptedCarrier(lambda _text: asyncio.Event().wait(), deliver))
    (one,) = send(world)
    settle(world)
    assert (len(carrier.offered), outcomes(world)) == (1, {})
    pass_time(world, 5)
    assert outcomes(world) == {one.message_id: "delivered"}


def test_a_carrier_s_nonsense_harms_nobody(with_carrier: With) -> None:
    """An outcome that there is not is an unknown error; times that there are not are cut; no answer is a failure."""
    answers = {
        "+14255550001": Taken(outcome="x" * 100),
        "+14255550002": Taken(outcome="delivered", after_ms=-(10**18)),
        "+14255550003": Taken(outcome="delivered", after_ms=10**18),
        "+14255550004": Busy(retry_after_ms=10**18),
        "+14255550005": None,
    }
    world = with_carrier(ScriptedCarrier(lambda text: answers[text.recipient]))
    for number in answers:
        send(world, number)

    def found() -> list[str]:
        return [row.outcome for row in sorted(rows(world), key=lambda row: row.recipient)]

    pass_time(world, 10)
    assert found() == ["unknown", "delivered", "", "", ""]
    pass_time(world, 8 * 24 * 3600)
    assert found() == ["unknown", "delivered", "delivered", "unavailable", "unavailable"]


def test_a_carrier_that_never_reports_leaves_a_message_sent(with_carrier: With) -> None:
    """Nothing is due any more."""
    world = with_carrier(ScriptedCarrier(lambda _text: Taken()))
    send(world)
    settle(world)
    assert (due_at(world), rows(world)[0].status) == (None, "sent")


# --- what survives ---


def test_what_is_owed_survives_a_restart(world: World) -> None:
    """What waits for a report, for another try, or for its first offer; and what is over is not told again."""
    done, slow, busy = (send(world, number)[0] for number in (PHONE, "+15005550010", "+15005550429"))
    pass_time(world, 0.5)
    assert outcomes(world) == {done.message_id: "delivered"}
    (fresh,) = send(world, "+15005554006")
    world.restart()
    world.clock.advance(3600)  # while nobody was there
    world.restart()
    pass_time(world, 10)
    assert outcomes(world) == {
        done.message_id: "delivered",
        slow.message_id: "delivered",
        busy.message_id: "delivered",
        fresh.message_id: "unreachable",
    }
    assert [len(row.offers) for row in rows(world, sent.c.id == busy.message_id)] == [3]


def test_what_a_carrier_took_is_kept_until_it_can_be_written(
    with_carrier: With, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database in trouble does not send anybody the same message every second."""
    refused: list[None] = []
    keep = carriage._keep

    def refuse(*given: Any) -> Any:
        if len(refused) < 3:
            refused.append(None)
            raise UnavailableError("The disk is full.")
        return keep(*given)

    monkeypatch.setattr(carriage, "_keep", refuse)
    world = with_carrier(carrier := ScriptedCarrier(deliver))
    (one,) = send(world)
    for many in (1, 2, 3):
        world.until(lambda many=many: len(refused) >= many)
        world.house.sms.carriage.nudge()  # a second later it would look by itself
    settle(world)
    assert outcomes(world) == {one.message_id: "delivered"}
    assert len(carrier.offered) == 1


def test_a_stop_keeps_and_counts_what_is_just_being_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is told has been counted as well, although the stop comes while the database writes it."""
    send(world)
    settle(world)
    keep, begun = carriage._keep, threading.Event()

    def dawdle(*given: Any) -> Any:
        begun.set()
        threading.Event().wait(0.1)  # real time, in the writer's thread: the stop comes meanwhile
        return keep(*given)

    monkeypatch.setattr(carriage, "_keep", dawdle)
    world.advance(1)
    world.house.sms.carriage.nudge()
    world.until(begun.is_set)
    world.restart()
    monkeypatch.undo()
    pass_time(world, 60)
    assert list(outcomes(world).values()) == ["delivered"]
    key = world.house.resources.get("trunkline").api_key
    asked = {"measures": ["requests.count"], "by": ["operation"]}
    found = world.call("POST", "/api/v1/ask", json=asked, headers={"x-api-key": key}).json["points"]
    assert [one["values"] for one in found if one["split"] == ["SMSDeliveryReportsReceived"]] == [[1]]


def test_two_that_carry_report_a_message_once(world: World) -> None:
    """Who comes second sees that the message is no more as it was."""
    house = world.house
    told: list[Any] = []
    other = Carriage(
        house.database, world.clock, world.ids, ScriptedCarrier(deliver), told.append, house.recorder.record
    )

    async def both() -> None:
        await other.start()

    world.run(both())
    for _ in range(20):
        send(world, [Recipient(number=f"+1425555{n:04}") for n in range(5)])
        other.nudge()
    pass_time(world, 1)
    assert len(outcomes(world)) == 100
    world.run(other.stop())


def test_an_unforeseen_failure_with_one_message_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again, and told to the log."""
    country_of = carriage.country_of

    def fail(number: str) -> str:
        if number == "+15005554005":
            raise ValueError("no such country")
        return country_of(number)

    monkeypatch.setattr(carriage, "country_of", fail)
    (bad,), (good,) = send(world, "+15005554005"), send(world)
    pass_time(world, 1)
    assert outcomes(world) == {good.message_id: "delivered"}
    assert f"{bad.message_id} could not be carried" in caplog.text
    monkeypatch.undo()
    pass_time(world, 5)
    assert outcomes(world) == {good.message_id: "delivered", bad.message_id: "blocked"}


def test_a_clock_that_is_set_back_delays_what_was_due_and_nothing_else(world: World) -> None:
    """What comes after is carried at once; what came before has its report when its time comes."""
    (before,) = send(world)
    settle(world)
    world.advance(-3600)
    (after,) = send(world)
    pass_time(world, 1)
    assert outcomes(world) == {after.message_id: "delivered"}
    pass_time(world, 3600)
    assert outcomes(world) == {after.message_id: "delivered", before.message_id: "delivered"}


def test_messages_to_a_number_of_the_resource_s_own_go_nowhere(world: World) -> None:
    """The simulated carrier brings nothing back in, so that no two numbers talk to each other for ever."""
    send(world, OFFICE, text="STOP")
    receive(world, "STOP", sender=OFFICE)
    pass_time(world, 60)
    assert [event.name for event in world.happenings()].count("sms.message.received") == 1
    assert len(rows(world)) == 2  # the message, and the answer to the word
