"""Identifiers: of the right form, never twice, and repeatable from a seed."""

from __future__ import annotations

import base64
import random
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from trunkline.clock import milliseconds
from trunkline.ids import _TICKS_KEPT, Ids, derived

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_each_kind_has_its_form() -> None:
    """GUIDs of version 4, correlation vectors, keys of 64 bytes, tokens that fit into an address."""
    ids = Ids()
    assert uuid.UUID(ids.guid()).version == 4
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}\.0", ids.ms_cv())
    assert len(base64.b64decode(ids.key(), validate=True)) == 64
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", ids.token())
    assert re.fullmatch(r"[0-9a-f]{32}", ids.hex())
    assert len(ids.bytes(5)) == 5


def test_the_same_seed_gives_the_same_ids() -> None:
    """Tests rely on it; without a seed nothing repeats."""
    one, two = (Ids(random.Random(1).randbytes) for _ in range(2))
    assert [one.guid(), one.ms_cv(), one.key()] == [two.guid(), two.ms_cv(), two.key()]
    assert len({Ids().guid() for _ in range(1000)}) == 1000


def test_ticks_only_grow_even_where_the_clock_does_not() -> None:
    """Many in one millisecond, and after the clock went back."""
    ids = Ids()
    first = ids.tick(NOW, "a")
    assert first == milliseconds(NOW)
    assert [ids.tick(NOW, "a") for _ in range(3)] == [first + 1, first + 2, first + 3]
    assert ids.tick(NOW - timedelta(hours=1), "a") == first + 4
    assert ids.tick(NOW, "b") == first
    assert ids.tick(NOW + timedelta(seconds=1), "a") == first + 1000


def test_ticks_are_never_given_twice_to_threads_that_hurry() -> None:
    """The writer and the event loop both take them."""
    ids = Ids()
    with ThreadPoolExecutor(8) as pool:
        taken = [tick for batch in pool.map(lambda _: [ids.tick(NOW) for _ in range(500)], range(8)) for tick in batch]
    assert len(set(taken)) == 4000


def test_ticks_of_many_things_do_not_fill_the_memory() -> None:
    """What lies in the past is forgotten, what is still ahead is not."""
    ids = Ids()
    ahead = [ids.tick(NOW + timedelta(days=1), "ahead") for _ in range(2)][-1]
    for number in range(_TICKS_KEPT + 10):
        ids.tick(NOW, str(number))
    ids.tick(NOW + timedelta(seconds=1), "later")
    assert len(ids._ticks) < 10
    assert ids.tick(NOW, "ahead") == ahead + 1


def test_a_derived_id_is_always_the_same_and_depends_on_every_part() -> None:
    """An event told twice keeps its id; parts do not run into each other."""
    assert derived("a", "b") == derived("a", "b")
    found = {derived(*parts) for parts in (("a", "b"), ("b", "a"), ("ab",), ("a", "b", ""), ("a", "c"), ())}
    assert len(found) == 6
