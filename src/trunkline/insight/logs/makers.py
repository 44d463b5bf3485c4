"""Rows that are made of single facts: requests, legs that have ended, events and the like, what was used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from trunkline.insight.logs.places import Counted, Page, Place, Wanted, made
from trunkline.telemetry.questions import Condition, Either, Row, Rows, among
from trunkline.telemetry.recorder import Recorder

MOST_MESSAGES = 50_000
_NEAR = timedelta(minutes=5)
_MINUTE_MS = 60_000
ENDED = Either(
    of=(
        (Condition(column="ended_at", op="at least", values=("-1e15",)),),
        (Condition(column="outcome", op="is not", values=("", "answered")),),
    )
)
"""Of a call that came to nothing the end may be unknown; one that was answered goes on until it ended."""


class RequestRows:
    """Requests, with the messages that they sent where the part says so."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._counted = Counted(recorder)

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the rows that so many requests make."""
        facts, after = await self._counted.facts(wanted, "requests", place, most)
        messages = await self._messages(wanted, [row for _, row in facts]) if wanted.part.joined else {}

        def rows_of(fact: Row) -> Iterator[tuple[Row, tuple[Any, ...]]]:
            key = tuple(fact[name] for name in ("happened_at", "operation", "status", "ms_cv", "request_id"))
            named = fact["extra"].get("message_id", "")  # one that tells of a message sent before has its vector
            sent = messages.get((fact["resource"], fact["ms_cv"]), []) if fact["ms_cv"] and not named else []
            those = sent[:1] if wanted.part.joined == "first" else sent
            for one in those or [{}]:
                yield {**fact, "message": one}, (*key, named or one.get("message_id", ""), one.get("recipient", ""))

        return Page(rows=made(facts, place, rows_of), after=after, read=len(facts))

    async def _messages(self, wanted: Wanted, requests: list[Row]) -> dict[tuple[str, str], list[Row]]:
        """Return the messages that requests sent, by account and correlation vector."""
        ids = tuple(sorted({row["ms_cv"] for row in requests if row["ms_cv"]}))
        if not ids:
            return {}
        found = await self._recorder.rows(
            Rows(
                fact="messages",
                start=requests[0]["happened_at"] - _NEAR,
                end=requests[-1]["happened_at"] + _NEAR,
                where=(Condition(column="correlation_id", values=ids), *among(wanted.accounts)),
                limit=MOST_MESSAGES,
            )
        )
        by_cause: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in found:
            by_cause[row["resource"], row["correlation_id"]].append(row)
        return by_cause


class CallRows:
    """Legs that have ended."""

    def __init__(self, recorder: Recorder) -> None:
        self._counted = Counted(recorder)

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the rows that so many legs make."""
        ended = msgspec.structs.replace(wanted, where=(*wanted.where, ENDED))
        facts, after = await self._counted.facts(ended, "calls", place, most)

        def rows_of(fact: Row) -> Iterator[tuple[Row, tuple[Any, ...]]]:
            row = leg(fact)
            yield row, (fact["leg_id"], row["version"] if wanted.table.versioned else "")

        return Page(rows=made(facts, place, rows_of), after=after, read=len(facts))


def leg(fact: Row) -> Row:
    """Return a leg with what follows from it: who takes part, how long it lasted, how old what is known of it is."""
    began: datetime = fact["happened_at"]
    revised, ended = fact.get("revised_at"), fact.get("ended_at")
    return {
        **fact,
        "participant": fact["sender" if fact["direction"] == "inbound" else "recipient"],
        "lasted_ms": (ended - began) / timedelta(milliseconds=1) if ended else None,
        "version": int((revised - began).total_seconds()) if revised else 0,
    }


class FactRows:
    """Facts as they are; by the columns `known_by` they are known again."""

    def __init__(self, recorder: Recorder, fact: str, known_by: tuple[str, ...]) -> None:
        self._counted = Counted(recorder)
        self._fact = fact
        self._known_by = known_by

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return so many facts."""
        facts, after = await self._counted.facts(wanted, self._fact, place, most)

        def rows_of(fact: Row) -> Iterator[tuple[Row, tuple[Any, ...]]]:
            yield fact, tuple(str(fact[name]) for name in self._known_by)

        return Page(rows=made(facts, place, rows_of), after=after, read=len(facts))


class UsedRows:
    """What was used: minutes of answered calls that have ended, parts of messages."""

    def __init__(self, recorder: Recorder, fact: str) -> None:
        self._counted = Counted(recorder)
        self._fact = fact

    async def page(self, wanted: Wanted, place: Place, most: int) -> Page:
        """Return the rows that so many facts make."""
        if self._fact == "calls":
            talked = Condition(column="answered", values=("true",))
            wanted = msgspec.structs.replace(wanted, where=(*wanted.where, ENDED, talked))
        facts, after = await self._counted.facts(wanted, self._fact, place, most)

        def rows_of(fact: Row) -> Iterator[tuple[Row, tuple[Any, ...]]]:
            usage = _minutes(fact) if self._fact == "calls" else _message(fact)
            yield {**fact, "usage": usage}, (usage["record_id"], fact["recipient"])

        return Page(rows=made(facts, place, rows_of), after=after, read=len(facts))


def _minutes(fact: Row) -> Row:
    talk_ms = fact["talk_ms"]
    return {
        "record_id": fact["leg_id"],
        "correlation_id": fact["call_id"],
        "participant_id": fact["extra"].get("participant_id", fact["leg_id"]),
        "of": fact["capability"],
        "unit": "minute",
        "quantity": None if talk_ms is None else talk_ms / _MINUTE_MS,
        "started_at": fact["answered_at"],
        "ended_at": fact["ended_at"],
    }


def _message(fact: Row) -> Row:
    return {
        "record_id": fact["message_id"],
        "correlation_id": fact["correlation_id"],
        "of": fact["channel"],
        "unit": "message",
        "quantity": fact["segments"] or 1,
        "started_at": fact["happened_at"],
        "ended_at": None,
    }
