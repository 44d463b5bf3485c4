"""Reports: a question asked now and answered later; the answer is kept for a while, and may be sent to an address.

What was asked is durable before anyone hears of it, so a question that a stop or a crash interrupted is answered after
the next start. The answer and the parcel that carries it are one transaction: there is never one without the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import sqlalchemy as sa

from trunkline.clock import Clock
from trunkline.config import Settings
from trunkline.delivery import queue
from trunkline.delivery.courier import Courier
from trunkline.delivery.parcel import Parcel
from trunkline.delivery.retry import MOST_ATTEMPTS, MOST_MINUTES
from trunkline.errors import LimitedError, NotFoundError, OverloadedError, TrunklineError, UnavailableError
from trunkline.ids import Ids, derived
from trunkline.state.database import Database
from trunkline.state.rounds import Rounds
from trunkline.state.transaction import Moment, Reader, Transaction, metadata
from trunkline.state.trouble import mention

_log = logging.getLogger(__name__)
RUNNING, DONE, FAILED = "running", "done", "failed"
MOST_AT_ONCE = 4
"""Reports that one process answers at once."""
MOST_RUNNING = 200
MOST_KEPT = 1000
"""Reports of one account: those that wait for their answer, and those that are kept."""
MOST_BYTES = 256 * 1024 * 1024
"""The answers of one account that are kept together; the oldest go first."""
LARGEST_ANSWER = 16 * 1024 * 1024
_ROUND_S = 60.0
_AFTER_A_FAILURE_S = 1.0
_NAME = "report"

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("question", sa.LargeBinary, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    # the last one: whoever asks for the others does not read past it
    sa.Column("answer", sa.LargeBinary, nullable=False),
)
sa.Index("reports_of_resource", reports.c.resource, reports.c.asked_at)
sa.Index("reports_by_age", reports.c.asked_at)

_put = sa.insert(reports)
_told = [column for column in reports.c if column.name != "answer"]
_of_id = reports.c.id == sa.bindparam("of_id")
_one = sa.select(reports).where(_of_id)
_state = sa.select(*_told).where(_of_id)
_running = sa.select(*_told).where(reports.c.state == RUNNING).order_by(reports.c.asked_at, reports.c.id)
_running_count = (
    sa.select(sa.func.count())
    .select_from(reports)
    .where(reports.c.resource == sa.bindparam("of_resource"), reports.c.state == RUNNING)
)
_kept = (
    sa.select(reports.c.id, reports.c.size)
    .where(reports.c.resource == sa.bindparam("of_resource"), reports.c.state != RUNNING)
    .order_by(reports.c.asked_at.desc(), reports.c.id)
)
_sizes = (
    sa.select(reports.c.resource, sa.func.count().label("many"), sa.func.sum(reports.c.size).label("together"))
    .where(reports.c.resource == sa.bindparam("of_resource"), reports.c.state != RUNNING)
    .group_by(reports.c.resource)
)
_finish = (
    sa.update(reports)
    .where(_of_id)
    .values(
        state=sa.bindparam("state"),
        finished_at=sa.bindparam("finished_at"),
        failure=sa.bindparam("failure"),
        answer=sa.bindparam("answer"),
        size=sa.bindparam("size"),
    )
)
_drop = sa.delete(reports).where(_of_id)
_old = (
    sa.select(reports.c.id)
    .where(reports.c.asked_at < sa.bindparam("before"), reports.c.state != RUNNING)
    .order_by(reports.c.asked_at)
    .limit(sa.bindparam("most"))
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A question of an account, in the form of its kind; `url` is where its answer goes, "" if it is only kept.

    `state` is running, done or failed; `failure` says why. `answer` is there once it is done, where it was asked for.
    """

    id: str
    kind: str
    resource: str
    asked_at: datetime
    question: bytes
    url: str = ""
    state: str = RUNNING
    finished_at: datetime | None = None
    failure: str = ""
    answer: bytes = b""
    size: int = 0


class Answerer(Protocol):
    """Whoever answers the reports of a kind."""

    async def answer(self, report: Report) -> bytes:
        """Return the answer as it is kept; what it raises of ours is why it failed."""
        ...

    def letter(self, report: Report) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers by which a finished report is sent to its address."""
        ...


class Reports:
    """The reports of this server; `answerers` answer them, by their kinds, from `start` to `stop`."""

    def __init__(self, *, database: Database, clock: Clock, ids: Ids, settings: Settings, courier: Courier) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._kept_for = timedelta(hours=settings.report_retention_hours)
        self._courier = courier
        self.answerers: dict[str, Answerer] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rounds = Rounds(database, clock, self._go_round, log=_log, words="reports cannot be taken up")

    async def start(self) -> None:
        """Take up what a stop interrupted, and what a process left that is gone."""
        await self._rounds.start()

    async def stop(self) -> None:
        """Let go of what is not answered; it is after the next start."""
        await self._rounds.stop()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- asking ---

    async def ask(self, kind: str, resource: str, question: bytes, url: str = "") -> Report:
        """Keep a question, and begin to answer it. Raises LimitedError when too many of an account wait."""
        report = Report(
            id=self._ids.hex().upper(),
            kind=kind,
            resource=resource,
            asked_at=self._clock.now(),
            question=question,
            url=url,
        )
        row = msgspec.structs.asdict(report)

        def unit(transaction: Transaction) -> bool:
            if transaction.value(_running_count, of_resource=resource) >= MOST_RUNNING:
                return False
            transaction.hand(_put, **row)
            return True

        if not await self._database.write(unit):
            raise LimitedError(
                f"{MOST_RUNNING} queries of this account wait for their answers already.", retry_after_s=1
            )
        self._begin(report)
        return report

    async def find(self, kind: str, report_id: str, *, resources: tuple[str, ...], with_answer: bool = False) -> Report:
        """Return a report of one of some accounts; raises NotFoundError."""
        statement = _one if with_answer else _state
        row = await self._database.read(lambda reader: reader.one(statement, of_id=report_id))
        report = None if row is None else Report(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
        if report is None or report.kind != kind or report.resource not in resources:
            raise NotFoundError("There is no such report, or it is no longer kept.")
        return report

    async def wait(self, report_id: str, seconds: float) -> None:
        """Return once this process has answered a report, or after some seconds."""
        if task := self._tasks.get(report_id):
            await asyncio.wait([task], timeout=seconds)

    # --- answering ---

    def _begin(self, report: Report, *, anew: bool = False) -> None:
        if report.id not in self._tasks and report.kind in self.answerers:
            task = self._tasks[report.id] = asyncio.create_task(self._resume(report) if anew else self._work(report))
            task.add_done_callback(lambda done: self._end(report, done))

    def _end(self, report: Report, task: asyncio.Task[None]) -> None:
        del self._tasks[report.id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(
                "report %s ended in an unforeseen way", report.id, exc_info=error
            )  # the next round begins it anew

    async def _resume(self, report: Report) -> None:
        """Answer a report that was seen unanswered, unless it has been answered since."""
        row = await self._database.read(lambda reader: reader.one(_state, of_id=report.id))
        if row is not None and row.state == RUNNING:
            await self._work(report)

    async def _work(self, report: Report) -> None:
        """Answer a report and make that durable, again and again while the stores cannot."""
        while True:
            try:
                async with self._room:
                    finished = await self._answered(report)
                await self._keep(finished)
                return
            except (UnavailableError, OverloadedError) as error:
                mention(_log, "a report cannot be answered yet", error)
                await self._clock.sleep(_AFTER_A_FAILURE_S)

    async def _answered(self, report: Report) -> Report:
        """Return a report with its answer, or why there is none; raises UnavailableError."""
        answer, failure = b"", ""
        try:
            answer = await self.answerers[report.kind].answer(report)
            if len(answer) > LARGEST_ANSWER:
                answer, failure = b"", f"The answer is larger than {LARGEST_ANSWER >> 20} MiB: ask for less at once."
        except (UnavailableError, OverloadedError):
            raise
        except TrunklineError as error:
            failure = error.message
        except Exception:  # noqa: BLE001 - every question gets an answer
            _log.exception("report %s cannot be answered", report.id)
            failure = "The server made a mistake; its log tells which."
        return msgspec.structs.replace(
            report,
            state=FAILED if failure else DONE,
            failure=failure,
            answer=answer,
            size=len(answer),
            finished_at=self._clock.now(),
        )

    async def _keep(self, report: Report) -> None:
        """Write what became of a report, with the parcel that tells it, and drop the oldest beyond the bounds."""
        parcel = self._parcel(report) if report.url else None
        finish = {name: getattr(report, name) for name in ("state", "finished_at", "failure", "answer", "size")}

        def unit(transaction: Transaction) -> bool:
            known = transaction.one(_state, of_id=report.id)
            if known is None or known.state != RUNNING:
                return False  # another process was as quick
            old = _beyond(transaction, report)
            for gone in old:
                transaction.hand(_drop, of_id=gone)
            transaction.hand(_finish, of_id=report.id, **finish)
            if parcel is not None:
                queue.put(transaction, parcel)
            return True

        if await self._database.write(unit) and parcel is not None:
            self._courier.wake([parcel.subscription])

    def _parcel(self, report: Report) -> Parcel:
        body, headers = self.answerers[report.kind].letter(report)
        now = self._clock.now()
        return Parcel(
            # what goes to one address goes one after the other, and delays no other address
            subscription=derived("report", report.resource, report.url),
            subscription_name=_NAME,
            resource=report.resource,
            url=report.url,
            body=body,
            headers=dict(headers),
            made_at=now,
            due_at=now,
            expires_at=now + timedelta(minutes=MOST_MINUTES),
            most_attempts=MOST_ATTEMPTS,
            event_ids=(report.id,),
        )

    async def _go_round(self) -> datetime:
        """Begin what nobody answers: at the start, and when a process is gone that had begun."""
        for report in await self._database.read(_unanswered):
            self._begin(report, anew=True)
        return self._clock.now() + timedelta(seconds=_ROUND_S)

    def forget(self, transaction: Transaction, _before: datetime, most: int) -> int:
        """Remove some finished reports whose time is over; returns how many."""
        rows = transaction.all(_old, before=self._clock.now() - self._kept_for, most=most)
        for row in rows:
            transaction.hand(_drop, of_id=row.id)
        return len(rows)


def _unanswered(reader: Reader) -> list[Report]:
    return [Report(**row._mapping) for row in reader.all(_running)]  # noqa: SLF001 - SQLAlchemy's public name for it


def _beyond(transaction: Transaction, report: Report) -> list[str]:
    """Return which finished reports of an account, the oldest first, go when this one is kept."""
    row = transaction.one(_sizes, of_resource=report.resource)
    many, together = (row.many, row.together) if row is not None else (0, 0)
    if many < MOST_KEPT and together + report.size <= MOST_BYTES:
        return []
    gone, size = [], report.size
    for place, row in enumerate(transaction.all(_kept, of_resource=report.resource), 2):
        size += row.size
        if place > MOST_KEPT or size > MOST_BYTES:
            gone.append(row.id)
    return gone
