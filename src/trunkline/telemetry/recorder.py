"""The recorder: takes facts in, and answers questions over everything it took in before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from trunkline.catalogue.facts import Fact
from trunkline.clock import from_microseconds, microseconds
from trunkline.errors import OverloadedError, UnavailableError
from trunkline.state.database import Database
from trunkline.telemetry import calendar
from trunkline.telemetry.finding import OF_CALLS, Kin, Near, Places, bearers, found, kin, near, within
from trunkline.telemetry.inbox import Before, Beside, Block, Inbox
from trunkline.telemetry.loader import Loader
from trunkline.telemetry.plan import Plan
from trunkline.telemetry.planner import Planner
from trunkline.telemetry.questions import Point, Row, Rows, Series
from trunkline.telemetry.rate import Rate
from trunkline.telemetry.store import Span, Store

_log = logging.getLogger(__name__)
READERS = 4
MANY_A_SECOND = 50
"""So many questions a second are many."""
T = TypeVar("T")
W = TypeVar("W")
_UTC = pa.timestamp("us", tz="UTC")


class Recorder:
    """Facts go in by `record`; questions are put by `ask`."""

    def __init__(self, database: Database, inbox: Inbox, loader: Loader, store: Store, planner: Planner) -> None:
        self._database = database
        self._inbox = inbox
        self._loader = loader
        self._store = store
        self._planner = planner
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="fact-reader")
        self._asked = Rate(MANY_A_SECOND)
        self.refused = 0

    def record(self, fact: Fact) -> None:
        """Let a fact ride the writer's next group, delaying no one.

        When too many wait, the fact is refused, counted (`refused`) and logged.
        """
        try:
            self._inbox.put(fact)
        except OverloadedError:
            self.refused += 1
            if self.refused % 1000 == 1:
                _log.error("facts are refused: the writer does not keep up")

    async def keep(
        self, blocks: Sequence[Block], *, before: Before | None = None, beside: Beside | None = None
    ) -> bytes | None:
        """Keep packed facts and return once they are durable; see `Inbox.keep`."""
        return await self._inbox.keep(blocks, before=before, beside=beside)

    def load(self, table: str, rows: Any, chunk: tuple[str, int] | None = None) -> asyncio.Future[bool]:
        """Let a batch wait to be brought straight into the store; see `Loader.load`."""
        return self._loader.load(table, rows, chunk)

    def expected(self) -> AbstractContextManager[None]:
        """Let batches that wait know that another one is being read: they go together."""
        return self._loader.straight.expected()

    @property
    def is_pressed(self) -> bool:
        """Tell whether large batches come in now, or many questions: what is not urgent waits."""
        return self._loader.is_pressed or self._asked.is_many

    def loaded(self, source: str) -> int:
        """Return how many chunks of a source are in the store; raises UnavailableError. For a thread."""
        return self._store.loaded(source)

    async def settled(self, tables: Collection[str] = ()) -> None:
        """Return once everything recorded before can be asked for, or what was of some tables.

        A question about calls does not wait for the record of the request before it. Raises UnavailableError when it
        cannot be kept.
        """
        self._asked.add()
        mark = self._inbox.taken_of(tables) if tables else self._inbox.taken
        while (stored := self._inbox.stored) < mark:
            await self._database.settled()
            if self._inbox.stored == stored:
                raise UnavailableError(
                    "What was measured cannot be stored now; the disk may be full or read-only.", told=True
                )
        await self._loader.caught_up(self._inbox.durable_of(tables) if tables else self._inbox.durable)

    async def ask(self, question: Series, *, as_loaded: bool = False) -> list[Point]:
        """Answer a question over everything that was recorded before it was put.

        With `as_loaded` only over what is loaded by now, which hurries nobody. Raises InvalidError when it cannot be
        planned, UnavailableError when the store cannot answer.
        """
        plan = self._planner.plan(question)
        if not as_loaded:
            await self.settled([self._planner.table(question)])
        return await self._in_thread(partial(self._points, plan), question)

    def _points(self, plan: Plan, question: Series) -> list[Point]:
        splits = len(question.by)
        beginning = self._beginning(question)
        return [
            Point(
                at=beginning(row[0]),
                split=tuple(value or "" for value in row[1 : 1 + splits]),
                values=row[1 + splits :],
                others=question.top is not None and row[1] is None,
            )
            for row in self._store.answer(plan)
        ]

    def _beginning(self, question: Series) -> Callable[[int], datetime]:
        """Return how the beginning of a step is told from what the store gives."""
        if question.step:
            return lambda value: calendar.beginning(question.step, question.zone, value)
        start = question.start.astimezone(UTC)
        step = timedelta(seconds=question.step_s or 0)
        return lambda number: start + step * number

    async def table(self, question: Series) -> Any:
        """Answer a question with an Arrow table: `at` (UTC), the splits as text, the measures; raises as `ask` does.

        With `top`, what belongs to none of the top has no text.
        """
        plan = self._planner.plan(question)
        await self.settled([self._planner.table(question)])
        answer = await self._in_thread(self._store.table, plan)
        steps = answer.column(0)
        if question.step:
            encoded = steps.combine_chunks().dictionary_encode()
            beginning = self._beginning(question)
            moments = pa.array([beginning(value) for value in encoded.dictionary.to_pylist()], _UTC)
            at = moments.take(encoded.indices)
        else:
            step_us = (question.step_s or 0) * 1_000_000
            at = pc.add(pc.multiply(pc.cast(steps, pa.int64()), step_us), microseconds(question.start)).cast(_UTC)
        rest = [answer.column(place) for place in range(1, answer.num_columns)]
        return pa.table([at, *rest], names=["at", *question.split_by, *question.measures])

    async def rows(self, question: Rows, *, as_loaded: bool = False) -> list[Row]:
        """Return facts themselves, of everything that was recorded before, or is loaded by now; raises as `ask` does.

        An `id` of a call finds what is known by any of the call's ids.
        """
        self._planner.rows(question)
        if not as_loaded:
            await self.settled(_needed(question.fact))
        return await self._in_thread(partial(self._found, found), question)

    async def near(self, question: Rows, ids: Sequence[str]) -> Near:
        """Return the legs that bear any of some ids themselves, and maybe others beside them; raises as `ask` does."""
        await self.settled(OF_CALLS)
        return await self._in_thread(partial(self._near, ids), question)

    def _near(self, ids: Sequence[str], question: Rows) -> Near:
        rows, moments = near(self._store, self._planner, ids, question)
        return Near(self._shown(rows, question), moments)

    async def kin(self, leg: Row, beside: Near) -> Kin:
        """Return where facts bear the ids of a leg, and the ids of the other legs of its call; raises as `ask` does.

        Those `beside` it were found with it.
        """
        await self.settled(OF_CALLS)
        return await self._in_thread(partial(kin, self._store, self._planner, leg), beside)

    async def rows_of_kin(self, leg: Row, beside: Near, question: Callable[[Kin], Rows]) -> list[Row]:
        """Return facts that bear the ids of a leg; they are asked for once its kin is known. See `kin`.

        The question is made in the thread that reads.
        """
        await self.settled(OF_CALLS)
        return await self._in_thread(partial(self._of_kin, leg, beside), question)

    def _of_kin(self, leg: Row, beside: Near, question: Callable[[Kin], Rows]) -> list[Row]:
        known = kin(self._store, self._planner, leg, beside)
        return self._found(partial(within, places=known.places), question(known))

    async def rows_of(self, places: Places, question: Rows) -> list[Row]:
        """Return facts that bear any of some ids, where they are known to lie; raises as `ask` does."""
        return await self._in_thread(partial(self._found, partial(within, places=places)), question)

    def _found(self, find: Callable[..., Iterable[tuple[Any, ...]]], question: Rows) -> list[Row]:
        return self._shown(find(self._store, self._planner, question=question), question)

    def _shown(self, rows: Iterable[tuple[Any, ...]], question: Rows) -> list[Row]:
        columns = self._planner.shown(question)
        moments = [name for name, column in columns.items() if column.of is datetime]
        shown = [dict(zip(columns, row, strict=True)) for row in rows]
        for row in shown:
            for name in moments:
                if row[name] is not None:
                    row[name] = from_microseconds(row[name])
        return shown

    async def legs(self, ids: Sequence[str]) -> tuple[list[str], datetime, datetime] | None:
        """Return the ids of the legs that bear any of some ids, and from when to when they lie, of what is loaded.

        None when there are none. Raises UnavailableError.
        """
        return await self._in_thread(partial(bearers, self._store, self._planner), ids)

    async def places(self, ids: Sequence[str]) -> dict[str, list[Span]]:
        """Return where in time facts bear each of some ids, of everything that was recorded before."""
        await self.settled()
        found: dict[str, list[Span]] = await self._in_thread(self._store.spans, ids)
        return found

    def explain(self, question: Series) -> Plan:
        """Return how a question would be answered; raises InvalidError."""
        return self._planner.plan(question)

    async def _in_thread(self, read: Callable[[W], T], what: W) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, read, what)

    def close(self) -> None:
        """End the reader threads."""
        self._readers.shutdown(wait=True)


def _needed(fact: str) -> Collection[str]:
    """Return the tables that an answer about a fact rests on: those of calls are found by each other."""
    return OF_CALLS if fact in OF_CALLS else (fact,)
