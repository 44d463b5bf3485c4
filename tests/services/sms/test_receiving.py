"""Receiving: what comes in is told, and the words by which people opt out and in are heeded and answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.sms.scene import CAUSE, OFFICE, PHONE, outcomes, pass_time, receive, rows, send
from tests.support.world import World
from trunkline.errors import InvalidError, NotFoundError
from trunkline.events.event import Event
from trunkline.services.sms.receiving import START_WORDS, STARTED, STOP_WORDS, STOPPED
from trunkline.services.sms.sending import Recipient

OTHER = "+14255550100"


def told(world: World) -> list[Event]:
    """Return every received message that was told, oldest first."""
    return [event for event in world.happenings() if event.name == "sms.message.received"]


def blocked(world: World, sender: str = OFFICE, to: str = PHONE) -> bool:
    """Send a message and tell whether its report says that the recipient has opted out."""
    (one,) = send(world, to, sender=sender)
    pass_time(world, 1)
    outcome = outcomes(world)[one.message_id]
    assert outcome in {"opted_out", "delivered"}
    return outcome == "opted_out"


def test_a_message_that_comes_in_is_told(world: World) -> None:
    """With everything about it, under an id that says which way it went; nobody answers it."""
    message_id = receive(world, "Great to connect ")
    (event,) = told(world)
    assert message_id.startswith("Incoming_20261121120000")
    assert (event.at, event.cause, event.resource) == (world.clock.now(), CAUSE, "trunkline")
    assert event.facts == {
        "message_id": message_id,
        "number": "18005550199",
        "sender": PHONE,
        "recipient": OFFICE,
        "text": "Great to connect ",
        "segments": 1,
        "received_at": world.clock.now(),
        "number_type": "toll free",
        "country": "US",
    }
    assert rows(world) == []


@pytest.mark.parametrize(
    "text", [*sorted(STOP_WORDS), "stop", "Stop.", " STOP! ", '"stop"\n', "STOP\r\n", "unsubscribe"]
)
def test_a_word_that_stops_opts_out_and_is_answered_and_told(world: World, text: str) -> None:
    """The answer goes out although its recipient has just opted out; no report is told of it."""
    assert not blocked(world)
    message_id = receive(world, text)
    assert [event.facts["text"] for event in told(world)] == [text]
    pass_time(world, 1)
    (answer,) = [row for row in rows(world) if row.content == STOPPED]
    assert (answer.sender, answer.recipient, answer.status) == (OFFICE, PHONE, "delivered")
    assert message_id.startswith("Incoming_")
    assert blocked(world)
    assert len(outcomes(world)) == 2


@pytest.mark.parametrize("text", [*sorted(START_WORDS), "start", "Unstop."])
def test_a_word_that_starts_lifts_it_and_is_answered_and_told(world: World, text: str) -> None:
    """Also for who has never opted out."""
    receive(world, "STOP")
    assert blocked(world)
    receive(world, text)
    pass_time(world, 1)
    assert not blocked(world)
    assert [row.status for row in rows(world) if row.content == STARTED] == ["delivered"]
    receive(world, text)
    assert not blocked(world)


@pytest.mark.parametrize(
    "text", ["stop it", "Please STOP", "nonstop", "st op", "", "HELP", "\uff33\uff34\uff2f\uff30", "restart"]
)
def test_other_words_are_just_told(world: World, text: str) -> None:
    """A word counts only when it is the whole message."""
    receive(world, text)
    assert not blocked(world)
    assert len(rows(world)) == 1
    assert len(told(world)) == 1


def test_stopping_twice_takes_one_start_to_lift(world: World) -> None:
    """It is a state and not a count."""
    receive(world, "STOP")
    receive(world, "STOP")
    receive(world, "START")
    assert not blocked(world)


def test_an_opt_out_is_of_one_number_one_telephone_and_one_resource(make_world: Callable[..., World]) -> None:
    """Every other pair goes on."""
    world = make_world(numbers=(OFFICE, OTHER))
    world.run(world.house.resources.create("shop"))
    world.run(world.house.numbers.add("shop", OFFICE))
    receive(world, "STOP")
    assert blocked(world)
    assert not blocked(world, sender=OTHER)
    assert not blocked(world, to="+14255550124")
    (theirs,) = send(world, resource="shop")
    pass_time(world, 1)
    assert outcomes(world)[theirs.message_id] == "delivered"


def test_an_opt_out_survives_a_restart(world: World) -> None:
    """It is kept like everything else."""
    receive(world, "STOP")
    world.restart()
    assert blocked(world)


def test_a_message_with_a_blocked_recipient_is_taken_and_reported_as_failed(world: World) -> None:
    """It is never offered to the carrier; the others of the same request get theirs."""
    receive(world, "STOP")
    pass_time(world, 1)
    out, fine = send(world, [Recipient(number=PHONE), Recipient(number="+14255550124")])
    assert out.message_id
    assert not out.problem
    pass_time(world, 1)
    assert outcomes(world) == {out.message_id: "opted_out", fine.message_id: "delivered"}
    (event,) = [one for one in world.happenings() if one.facts.get("outcome") == "opted_out"]
    assert (event.facts["status"], event.facts["attempts"]) == ("failed", [])


def test_the_answers_to_words_are_no_such_words() -> None:
    """Two servers that send each other their answers come to an end."""
    assert not {STOPPED.upper(), STARTED.upper()} & (STOP_WORDS | START_WORDS)
    assert not STOP_WORDS & START_WORDS


def test_a_short_code_gets_messages_and_sends_them(make_world: Callable[..., World]) -> None:
    """It has no country, and stops like every other number."""
    world = make_world(numbers=("12345",))
    receive(world, "STOP", to="12345", sender="98765")
    assert [(event.facts["number"], event.facts["country"]) for event in told(world)] == [("12345", "")]
    assert blocked(world, sender="12345", to="98765")


def test_what_cannot_have_come_in_is_refused(make_world: Callable[..., World]) -> None:
    """A number that nobody owns or another resource owns; a name, which nobody can answer; a text that is too long."""
    world = make_world(numbers=(OFFICE, "Acme"))
    world.run(world.house.resources.create("shop"))
    world.run(world.house.numbers.add("shop", OTHER))
    with pytest.raises(NotFoundError):
        receive(world, "hello", to=OTHER)
    with pytest.raises(NotFoundError):
        receive(world, "hello", resource="shop")
    for wrong in ({"to": "Acme"}, {"sender": "Acme"}, {"sender": "+1"}, {"text": "x" * 2049}):
        with pytest.raises(InvalidError):
            receive(world, wrong.pop("text", "hello"), **wrong)
    assert (told(world), rows(world)) == ([], [])
    receive(world, "\0😀" * 1024)
    assert [event.facts["segments"] for event in told(world)] == [47]
