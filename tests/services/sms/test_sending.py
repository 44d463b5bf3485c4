"""Sending: a message for each recipient, checks, and requests that are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.services.sms.scene import CAUSE, OFFICE, PHONE, actor, outcomes, pass_time, reports, rows, send
from tests.support.world import World
from trunkline.errors import InvalidError, UnauthenticatedError
from trunkline.services.sms.sending import Message, Recipient
from trunkline.services.sms.tables import sent


def people(*numbers: str, repeat: str = "") -> list[Recipient]:
    """Make recipients that share a repeat id."""
    return [Recipient(number=number, repeat=repeat) for number in numbers]


def test_each_recipient_gets_a_message_of_its_own(world: World) -> None:
    """With an id each, in the order in which they were named, kept with the whole of it."""
    numbers = [f"+1425555{n:04}" for n in range(100)]
    results = send(world, people(*numbers), tag="spring", text="x" * 161)
    assert [one.number for one in results] == numbers
    assert len({one.message_id for one in results}) == 100
    assert not any(one.problem for one in results)
    kept = {row.id: row for row in rows(world)}
    for one in results:
        row = kept.pop(one.message_id)
        assert (row.sender, row.recipient, row.content) == (OFFICE, one.number, "x" * 161)
        assert (row.segments, row.tag, row.cause, row.resource) == (2, "spring", CAUSE, "trunkline")
    assert not kept


def test_an_id_says_which_way_and_when(world: World) -> None:
    """As the vendor's do."""
    (one,) = send(world)
    assert one.message_id.startswith("Outgoing_20261121120000")
    assert len(one.message_id) == len("Outgoing_") + 14 + 36


def test_one_recipient_named_twice_gets_it_twice(world: World) -> None:
    """Nobody said that it is the same message; also when it is the same object."""
    one = Recipient(number=PHONE)
    first, second = send(world, [one, one])
    assert first.message_id != second.message_id
    assert len(rows(world)) == 2


def test_a_number_that_is_none_has_a_problem_and_the_others_get_theirs(world: World) -> None:
    """In the order of the request."""
    results = send(world, people("nobody", PHONE, "+123", "12345", ""))
    assert [bool(one.message_id) for one in results] == [False, True, False, True, False]
    assert [bool(one.problem) for one in results] == [True, False, True, False, True]
    assert {row.recipient for row in rows(world)} == {PHONE, "12345"}


def refused(world: World, error: type[Exception], **given: Any) -> str:
    """Send what is refused, make sure that nothing is kept of it, and return the error's target."""
    with pytest.raises(error) as found:
        send(world, **given)
    assert rows(world) == []
    return str(getattr(found.value, "target", ""))


def test_what_is_wrong_with_the_whole_request_is_refused(world: World) -> None:
    """Nothing is sent to anybody then."""
    assert refused(world, InvalidError, to=people("nobody", "+1")) == "smsRecipients"
    assert refused(world, InvalidError, to=[]) == "smsRecipients"
    assert refused(world, InvalidError, to=people(*[PHONE] * 101)) == "smsRecipients"
    assert refused(world, InvalidError, text="x" * 2049) == "message"
    assert refused(world, InvalidError, tag="x" * 1025) == "smsSendOptions.tag"
    long = people(PHONE, repeat="x" * 101)
    assert refused(world, InvalidError, to=long) == "smsRecipients.repeatabilityRequestId"


@pytest.mark.parametrize(
    "sender", ["+15550000000", "", "ACME", "800", "+1 800 555 0199", pytest.param("x" * 100_000, id="long")]
)
def test_a_sender_that_the_resource_does_not_own_is_refused(world: World, sender: str) -> None:
    """Also its own number in another spelling: this is the one place where only E.164 counts."""
    assert refused(world, UnauthenticatedError, sender=sender) == "from"


def test_a_resource_sends_from_its_own_numbers_only(world: World) -> None:
    """What another one owns does not count, nor what it owned before."""
    world.run(world.house.resources.create("shop"))
    assert refused(world, UnauthenticatedError, resource="shop") == "from"
    world.run(world.house.numbers.add("shop", "+15550001111"))
    assert refused(world, UnauthenticatedError, sender="+15550001111") == "from"
    send(world, resource="shop", sender="+15550001111")
    world.run(world.house.numbers.remove("shop", "+15550001111"))
    with pytest.raises(UnauthenticatedError):
        send(world, resource="shop", sender="+15550001111")
    assert [row.resource for row in rows(world)] == ["shop"]


@pytest.mark.parametrize("sender", ["Acme Ltd", "12345", "+442071838750"])
def test_every_kind_of_number_sends(make_world: Callable[..., World], sender: str) -> None:
    """A sender name, a short code, a number of another country."""
    world = make_world(numbers=(sender,))
    (one,) = send(world, sender=sender)
    pass_time(world, 1)
    assert outcomes(world) == {one.message_id: "delivered"}
    assert reports(world)[0].facts["number"] == sender.removeprefix("+")


def test_the_longest_texts_numbers_and_tags_are_kept(make_world: Callable[..., World]) -> None:
    """2048 characters of four bytes, 15 digits, and what is nasty in a text."""
    longest = "+497111234567890"
    world = make_world(numbers=(longest,))
    nasty = "\0\x1b[31m\r\n'\";--\u202e" + "😀" * 2034
    assert (len(longest), len(nasty)) == (16, 2048)
    send(world, sender=longest, text=nasty, tag="\0" + "😀" * 1023)
    send(world, sender=longest, text="")
    pass_time(world, 1)
    assert [(row.content, row.status) for row in rows(world, sent.c.tag.is_not(None))] == [(nasty, "delivered")]
    tagged, plain = sorted(reports(world), key=lambda event: str(event.facts["tag"]))
    assert (tagged.facts["tag"], plain.facts["tag"]) == ("\0" + "😀" * 1023, None)


# --- requests that are repeated ---


def test_the_same_repeat_id_is_the_same_message(world: World) -> None:
    """In a second request it is answered as the first time, and nothing is sent again."""
    (first,) = send(world, people(PHONE, repeat="a"))
    (again,) = send(world, people(PHONE, repeat="a"))
    (other,) = send(world, people(PHONE, repeat="b"))
    assert first == again != other
    pass_time(world, 1)
    assert set(outcomes(world)) == {first.message_id, other.message_id}
    (late,) = send(world, people(PHONE, repeat="a"))
    pass_time(world, 1)
    assert late == first
    assert len(outcomes(world)) == 2


def test_the_same_repeat_id_twice_in_a_request_is_one_message(world: World) -> None:
    """Both are answered with it."""
    first, again, other = send(world, [*people(PHONE, PHONE, repeat="a"), *people(PHONE)])
    assert first.message_id == again.message_id != other.message_id
    assert len(rows(world)) == 2


def test_the_same_repeat_id_for_another_number_is_another_message(world: World) -> None:
    """Whoever is told that a message was taken is sent one."""
    first, other = send(world, people(PHONE, "12345", repeat="a"))
    (late,) = send(world, people("+442079460101", repeat="a"))
    assert len({first.message_id, other.message_id, late.message_id}) == 3
    assert {row.recipient for row in rows(world)} == {PHONE, "12345", "+442079460101"}


def test_the_same_repeat_id_at_once_is_one_message(world: World) -> None:
    """Ten requests that ride in one group of the database."""

    async def all_at_once() -> set[str]:
        message = Message(sender=OFFICE, content="once")
        work = [world.house.sms.sending.send(actor(world), message, people(PHONE, repeat="a")) for _ in range(10)]
        return {one.message_id for results in await asyncio.gather(*work) for one in results}

    (message_id,) = world.run(all_at_once())
    assert [row.id for row in rows(world)] == [message_id]


def test_a_repeat_id_is_a_resource_s_own(world: World) -> None:
    """Another one's message is never given away."""
    world.run(world.house.resources.create("shop"))
    world.run(world.house.numbers.add("shop", OFFICE))
    (ours,) = send(world, people(PHONE, repeat="a"))
    (theirs,) = send(world, people(PHONE, repeat="a"), resource="shop")
    assert ours.message_id != theirs.message_id


def test_a_repeat_id_is_known_after_a_restart(world: World) -> None:
    """It is kept like everything else."""
    (first,) = send(world, people(PHONE, repeat="a"))
    world.restart()
    assert send(world, people(PHONE, repeat="a")) == [first]
