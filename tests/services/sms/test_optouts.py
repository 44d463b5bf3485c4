"""Opt-outs by hand, and what happens when words, hands and messages come at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.services.sms.scene import OFFICE, PHONE, actor, outcomes, pass_time, receive, send
from tests.support.world import World
from trunkline.errors import InvalidError, UnauthenticatedError
from trunkline.services.sms.optouts import OptOuts
from trunkline.services.sms.sending import Message, Recipient

MANY = [f"+1425555{n:04}" for n in range(100)]


def do(world: World, verb: str, *numbers: str, sender: str = OFFICE, resource: str = "trunkline") -> dict[str, bool]:
    """Add, remove or check opt-outs."""
    optouts: OptOuts = world.house.sms.optouts
    found: dict[str, bool] = world.run(getattr(optouts, verb)(resource, sender, numbers))
    return found


def test_who_was_added_is_out_until_removed(world: World) -> None:
    """Twice is fine; others are as they were."""
    assert do(world, "check", *MANY) == dict.fromkeys(MANY, False)
    assert do(world, "add", *MANY[:50]) == dict.fromkeys(MANY[:50], True)
    assert do(world, "add", *MANY[:51], MANY[0]) == dict.fromkeys(MANY[:51], True)
    assert do(world, "check", *MANY) == {number: place < 51 for place, number in enumerate(MANY)}
    assert do(world, "remove", MANY[0], MANY[0], MANY[99]) == {MANY[0]: False, MANY[99]: False}
    assert do(world, "check", *MANY) == {number: 0 < place < 51 for place, number in enumerate(MANY)}


def test_a_number_that_is_none_has_no_answer(world: World) -> None:
    """The others have theirs."""
    assert do(world, "add", "+123", PHONE, "", "nobody") == {PHONE: True}
    assert do(world, "check", "+123") == {}


def test_hands_and_words_mean_the_same(world: World) -> None:
    """What a word did is seen and undone by hand, and the other way round."""
    receive(world, "STOP")
    assert do(world, "check", PHONE) == {PHONE: True}
    do(world, "remove", PHONE)
    (free,) = send(world)
    do(world, "add", PHONE)
    (out,) = send(world)
    receive(world, "START")
    assert do(world, "check", PHONE) == {PHONE: False}
    pass_time(world, 1)
    assert outcomes(world) == {free.message_id: "delivered", out.message_id: "opted_out"}


def test_a_sender_name_has_opt_outs_by_hand(make_world: Callable[..., World]) -> None:
    """Nobody can answer it with a word."""
    world = make_world(numbers=("Acme Ltd",))
    do(world, "add", PHONE, sender="Acme Ltd")
    (one,) = send(world, sender="Acme Ltd")
    pass_time(world, 1)
    assert outcomes(world) == {one.message_id: "opted_out"}


def test_a_resource_has_to_do_with_its_own_numbers_only(world: World) -> None:
    """Nor does it see who has opted out of another's, even of the same number."""
    world.run(world.house.resources.create("shop"))
    do(world, "add", PHONE)
    for verb in ("add", "remove", "check"):
        with pytest.raises(UnauthenticatedError):
            do(world, verb, PHONE, resource="shop")
    world.run(world.house.numbers.add("shop", OFFICE))
    assert do(world, "check", PHONE, resource="shop") == {PHONE: False}
    do(world, "remove", PHONE, resource="shop")
    assert do(world, "check", PHONE) == {PHONE: True}


def test_a_request_names_1_to_100(world: World) -> None:
    """No more and no fewer."""
    for numbers in ([], [*MANY, PHONE]):
        with pytest.raises(InvalidError):
            do(world, "check", *numbers)


@pytest.mark.parametrize("order", sorted(set(itertools.permutations(("add", "send", "remove", "send")))), ids="-".join)
def test_what_comes_at_once_counts_in_the_order_in_which_it_came(world: World, order: tuple[str, ...]) -> None:
    """All of it rides in one group of the database; a message is blocked by what came before it alone."""
    optouts, sending, me = world.house.sms.optouts, world.house.sms.sending, actor(world)
    message = Message(sender=OFFICE, content="hello", wants_report=True)
    works: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "add": lambda: optouts.add("trunkline", OFFICE, [PHONE]),
        "remove": lambda: optouts.remove("trunkline", OFFICE, [PHONE]),
        "send": lambda: sending.send(me, message, [Recipient(number=PHONE)]),
    }

    async def at_once() -> list[Any]:
        return await asyncio.gather(*(works[name]() for name in order))

    results = world.run(at_once())
    pass_time(world, 1)
    is_out = False
    for name, result in zip(order, results, strict=True):
        if name == "send":
            assert outcomes(world)[result[0].message_id] == ("opted_out" if is_out else "delivered")
        else:
            is_out = name == "add"
    assert do(world, "check", PHONE) == {PHONE: is_out}
