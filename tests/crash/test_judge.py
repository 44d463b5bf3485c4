"""The judge itself: it complains of every kind of loss, doubling and confusion, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crash import judge
from tests.crash.caller import Caller
from tests.crash.traffic import Found, Key, Traffic


class Notes(Traffic):
    """The simplest traffic: one event each."""

    name = "notes"
    service, operation, status = "notes", "SendNote", "201"
    event_types = ("NoteReceived",)

    async def prepare(self, caller: Caller) -> None:
        """Need nothing."""

    async def send(self, _caller: Caller, word: str) -> str:
        """Take it."""
        return f"id of {word}"

    async def find(self, _caller: Caller) -> list[Found]:
        """Find nothing."""
        return []

    def owed(self, found: Found) -> set[Key]:
        """One event, of its word."""
        return {found.word}

    def key(self, event: dict[str, Any]) -> Key | None:
        """Its word, when it is a note's."""
        key: Key | None = event.get("word")
        return key


def found(*words: str) -> list[Found]:
    """Make what is there."""
    return [Found(word, f"id of {word}") for word in words]


@pytest.fixture
def notes() -> Notes:
    """Three were sent, of which two were acknowledged."""
    kind = Notes()
    kind.ledger.sent |= {"a", "b", "c"}
    kind.ledger.acknowledged |= {"a": "id of a", "b": "id of b"}
    return kind


@pytest.mark.parametrize("there", [found("a", "b"), found("a", "b", "c")])
def test_what_was_not_acknowledged_may_be_there_or_not(notes: Notes, there: list[Found]) -> None:
    """Nobody was promised anything."""
    assert judge.things(notes, there) == []


@pytest.mark.parametrize(
    ("there", "complaint"),
    [
        (found("a"), "notes: acknowledged, but missing: b"),
        (found("a", "b", "c", "c"), "notes: there more than once: c"),
        (found("a", "b", "d"), "notes: there, but never sent: d"),
        ([*found("a"), Found("b", "other")], "notes: there under another id than was acknowledged: b"),
        ([*found("a", "b"), Found("c", "id of b")], "notes: one id for several: id of b"),
    ],
)
def test_a_loss_or_a_double_is_found(notes: Notes, there: list[Found], complaint: str) -> None:
    """Each has a complaint of its own."""
    assert complaint in judge.things(notes, there)


def test_a_refusal_is_a_complaint(notes: Notes) -> None:
    """A busy server that nobody has killed takes what it is sent."""
    notes.ledger.refused.append("d: 503")
    assert judge.things(notes, found("a", "b")) == ["notes: refused: d: 503"]


def test_an_event_is_missing_until_it_arrives(notes: Notes) -> None:
    """Whatever is there owes its event, acknowledged or not."""
    there = [found("a", "b", "c")]
    assert judge.missing([notes], there, [{"id": "1", "word": "a"}]) == {"b", "c"}


def test_an_event_may_come_again_if_it_is_the_same(notes: Notes) -> None:
    """The same id and the same content."""
    again = [{"id": "1", "word": "a", "at": "noon"}, {"at": "noon", "word": "a", "id": "1"}]
    assert judge.events([notes], [found("a")], again) == []


@pytest.mark.parametrize(
    ("heard", "complaint"),
    [
        ([{"id": "1", "word": "a"}, {"id": "2", "word": "a"}], "events under several ids: a ['1', '2']"),
        ([{"id": "1", "word": "a"}, {"id": "1", "word": "b"}], "ids of several events: 1"),
        ([{"id": "1", "word": "a", "at": "noon"}, {"id": "1", "word": "a", "at": "one"}], "ids of several events: 1"),
        ([{"id": "1", "word": "c"}], "events of things that are not there: c"),
        ([{"id": "1"}], "events of no traffic: 1"),
    ],
)
def test_a_confusion_of_events_is_found(notes: Notes, heard: list[dict[str, Any]], complaint: str) -> None:
    """Each has a complaint of its own."""
    assert complaint in judge.events([notes], [found("a", "b")], heard)


@pytest.mark.parametrize(("count", "is_right"), [(0, False), (1, True), (2, True), (3, True), (4, False)])
def test_measures_lack_at_most_what_the_kills_may_lose(notes: Notes, count: int, is_right: bool) -> None:
    """Two were acknowledged, three are there, one may be lost."""
    assert (judge.measured(notes, found("a", "b", "c"), count, lost=1) == []) is is_right
