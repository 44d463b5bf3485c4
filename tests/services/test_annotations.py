"""What is said of calls and what is switched on, kept on either kind of database."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.world import World
from trunkline.errors import InvalidError
from trunkline.services.annotations import ANSWERED_BY, CONNECTIVITY, LONGEST, QUALITY, Annotation, Annotations
from trunkline.services.flags import Flags

AT = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
SAID = st.fixed_dictionaries(
    {},
    optional={
        "answered_by": st.sampled_from(ANSWERED_BY),
        "connectivity_issue": st.sampled_from(CONNECTIVITY),
        "quality_issues": st.lists(st.sampled_from(QUALITY), unique=True).map(tuple),
        "spam": st.booleans(),
        "call_score": st.integers(1, 5),
        "comment": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=LONGEST),
    },
)


@pytest.fixture
def annotations(world: World) -> Annotations:
    """Give the annotations of a world."""
    return Annotations(world.house.database, world.clock)


def test_what_was_said_last_of_each_thing_counts(world: World, annotations: Annotations) -> None:
    """Whatever was said before and beside it."""
    numbers = itertools.count()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(said=st.lists(SAID, min_size=1, max_size=4))
    def holds(said: list[dict[str, Any]]) -> None:
        leg = f"leg-{next(numbers)}"
        expected: dict[str, Any] = {}
        for one in said:
            expected |= one
            last = world.run(annotations.say("r", leg, AT, one))
        read = world.run(annotations.of("r", leg))
        assert (
            read == last == Annotation(resource="r", leg_id=leg, call_at=AT, changed_at=world.clock.now(), **expected)
        )
        assert world.run(annotations.of("s", leg)) is None

    holds()


def test_people_may_speak_at_once(world: World, annotations: Annotations) -> None:
    """Nobody's word undoes another's about something else."""

    async def all_at_once() -> None:
        said = [{"spam": True}, {"call_score": 3}, {"comment": "c"}, {"answered_by": "human"}] * 5
        await asyncio.gather(*(annotations.say("r", "leg", AT, one) for one in said))

    world.run(all_at_once())
    found = world.run(annotations.of("r", "leg"))
    assert found is not None
    assert (found.spam, found.call_score, found.comment, found.answered_by) == (True, 3, "c", "human")


def test_calls_of_a_span_are_found_by_what_was_said_of_them(world: World, annotations: Annotations) -> None:
    """The beginning counts, the end does not; of one account, in order of time; also several by their ids."""
    for number in range(5):
        for resource in ("r", "s"):
            world.run(annotations.say(resource, f"leg-{number}", AT + timedelta(minutes=number), {"spam": True}))
    found = world.run(annotations.within("r", AT + timedelta(minutes=1), AT + timedelta(minutes=4)))
    assert [(one.resource, one.leg_id) for one in found] == [("r", "leg-1"), ("r", "leg-2"), ("r", "leg-3")]
    several = world.run(annotations.of_several("s", ["leg-4", "leg-0", "nobody", "\0"]))
    assert {leg: one.resource for leg, one in several.items()} == {"leg-0": "s", "leg-4": "s"}


@pytest.mark.parametrize(
    "said",
    [
        {"answered_by": "x"},
        {"connectivity_issue": "x"},
        {"quality_issues": ("echo", "x")},
        {"call_score": 0},
        {"call_score": 6},
        {"comment": "x" * (LONGEST + 1)},
        {"incident": "x" * (LONGEST + 1)},
    ],
)
def test_what_cannot_be_said_is_not_kept(world: World, annotations: Annotations, said: dict[str, Any]) -> None:
    """Each by its name."""
    with pytest.raises(InvalidError) as refused:
        world.run(annotations.say("r", "leg", AT, {"spam": True, **said}))
    assert refused.value.target == next(iter(said))
    assert world.run(annotations.of("r", "leg")) is None


def test_a_call_with_an_id_that_no_text_can_hold_has_no_annotation(world: World, annotations: Annotations) -> None:
    """A zero character: one kind of database takes it, the other does not."""
    assert world.run(annotations.of("r", "a\0b")) is None
    with pytest.raises(InvalidError):
        world.run(annotations.say("r", "a\0b", AT, {"spam": True}))


def test_flags_are_kept_of_each_account_apart(world: World) -> None:
    """Those that were never set are nobody's business."""
    flags = Flags(world.house.database)
    assert world.run(flags.of("r")) == {}
    assert world.run(flags.set("r", {"a": True})) == {"a": True}
    assert world.run(flags.set("r", {"a": False, "b": True})) == {"a": False, "b": True}
    assert world.run(flags.set("r", {})) == {"a": False, "b": True}
    assert (world.run(flags.of("r")), world.run(flags.of("s"))) == ({"a": False, "b": True}, {})
