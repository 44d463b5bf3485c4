"""Reports: kept before anyone hears of them, answered whatever comes between, sent and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import sqlalchemy as sa

from tests.support.webhook import Webhook, webhook
from tests.support.world import World
from trunkline.delivery.queue import parcels
from trunkline.errors import InvalidError, LimitedError, NotFoundError, UnavailableError
from trunkline.insight import reports as module
from trunkline.insight.reports import DONE, FAILED, RUNNING, Report, Reports

KIND = "of a test"


class Answerer:
    """Answers as a test wants it; `holding` keeps every question waiting."""

    def __init__(self) -> None:
        self.holding = False
        self.raises: list[Exception] = []
        self.asked: list[bytes] = []

    async def answer(self, report: Report) -> bytes:
        """Turn a question round."""
        self.asked.append(report.question)
        while self.holding:  # noqa: ASYNC110 - a test turns it off from outside
            await asyncio.sleep(0.005)
        if self.raises:
            raise self.raises.pop(0)
        return report.question[::-1]

    def letter(self, report: Report) -> tuple[bytes, Mapping[str, str]]:
        """Write a letter."""
        return b'{"answer":"' + report.answer + b'"}', {"Content-Type": "application/json", "X-State": report.state}


@pytest.fixture
def answerer(world: World) -> Answerer:
    """Answer the reports of this house."""
    return plugged(world)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Run a receiver."""
    with webhook() as running:
        yield running


def plugged(world: World, answerer: Answerer | None = None) -> Answerer:
    """Plug an answerer into a house."""
    answerer = answerer or Answerer()
    world.house.reports.answerers[KIND] = answerer
    return answerer


def of(world: World) -> Reports:
    """Return the reports of a house."""
    return world.house.reports


def ask(world: World, question: bytes = b"abc", url: str = "", resource: str = "trunkline") -> Report:
    """Ask a question."""
    return world.run(of(world).ask(KIND, resource, question, url))


def find(world: World, report: Report) -> Report:
    """Read a report with its answer."""
    return world.run(of(world).find(KIND, report.id, resources=(report.resource,), with_answer=True))


def finished(world: World, report: Report) -> Report:
    """Return a report once it is finished."""
    world.run(of(world).wait(report.id, 5))
    return find(world, report)


def count(world: World, table: sa.Table) -> int:
    """Count the rows of a table."""
    statement = sa.select(sa.func.count()).select_from(table)
    return int(world.run(world.house.database.read(lambda reader: reader.value(statement))))


def test_a_question_is_answered_and_its_answer_kept(world: World, answerer: Answerer) -> None:
    """Found by its id, which is 32 digits."""
    report = ask(world)
    found = finished(world, report)
    assert (found.state, found.answer, found.failure, found.size) == (DONE, b"cba", "", 3)
    assert len(report.id) == 32
    assert report.id == report.id.upper()
    assert answerer.asked == [b"abc"]


def test_an_answer_is_of_its_account_and_kind_alone(world: World, answerer: Answerer) -> None:
    """Nobody else finds it."""
    report = ask(world)
    for kind, resources in ((KIND, ("other",)), ("another", ("trunkline",)), (KIND, ())):
        with pytest.raises(NotFoundError):
            world.run(of(world).find(kind, report.id, resources=resources))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (InvalidError("The result is too large."), "The result is too large."),
        (ZeroDivisionError("x"), "The server made a mistake; its log tells which."),
    ],
)
def test_what_cannot_be_answered_failed_with_a_sentence(
    world: World, answerer: Answerer, error: Exception, failure: str
) -> None:
    """Whatever went wrong; no text of the program."""
    answerer.raises = [error]
    found = finished(world, ask(world))
    assert (found.state, found.failure, found.answer) == (FAILED, failure, b"")


def test_an_answer_that_is_too_large_failed(world: World, answerer: Answerer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is not filled by one."""
    monkeypatch.setattr(module, "LARGEST_ANSWER", 2)
    assert finished(world, ask(world)).state == FAILED


def test_what_is_not_there_now_is_waited_for(world: World, answerer: Answerer) -> None:
    """A store that cannot be read for a while makes no question fail."""
    answerer.raises = [UnavailableError("gone"), UnavailableError("gone")]
    report = ask(world)
    for left in (1, 0):
        world.until(lambda left=left: len(answerer.raises) == left)  # type: ignore[misc]
        world.run(asyncio.sleep(0.02))
        assert find(world, report).state == RUNNING
        world.advance(1)
    assert finished(world, report).state == DONE


def test_a_stop_interrupts_no_question_for_good(world: World) -> None:
    """After the next start it is answered, and sent once."""
    held = plugged(world)
    held.holding = True
    with webhook() as hook:
        report = ask(world, url=f"{hook.base}/x")
        world.until(lambda: bool(held.asked))
        assert find(world, report).state == RUNNING
        world.restart()
        plugged(world)
        world.advance(60)
        world.until(lambda: len(hook.heard()) == 1)
        assert find(world, report).state == DONE
        assert hook.heard()[0].body == {"answer": "cba"}
        assert count(world, parcels) == 1


def test_an_answer_is_sent_and_tried_again(world: World, answerer: Answerer, hook: Webhook) -> None:
    """By the ladder of the courier; the last refusal makes it a dead letter of its account."""
    hook.refuses = True
    finished(world, ask(world, url=f"{hook.base}/x"))
    world.until(lambda: len(hook.heard()) == 1)
    hook.refuses = False
    world.run(asyncio.sleep(0.05))
    world.advance(15)
    world.until(lambda: len(hook.heard()) == 2)
    assert [one.headers["x-state"] for one in hook.heard()] == [DONE, DONE]
    assert hook.heard()[0].body == hook.heard()[1].body == {"answer": "cba"}


def test_a_report_is_finished_once(world: World, answerer: Answerer, hook: Webhook) -> None:
    """Though two processes answered it: the second finds it done, and sends nothing."""
    report = ask(world, url=f"{hook.base}/x")
    done = finished(world, report)
    world.run(of(world)._keep(done))
    world.run(of(world)._work(report))
    assert count(world, parcels) == 1


def test_so_many_of_an_account_wait_at_once(world: World, answerer: Answerer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another account is not held up by that."""
    monkeypatch.setattr(module, "MOST_RUNNING", 2)
    answerer.holding = True
    waiting = [ask(world), ask(world)]
    with pytest.raises(LimitedError):
        ask(world)
    ask(world, resource="other")
    answerer.holding = False
    assert [finished(world, report).state for report in waiting] == [DONE, DONE]
    ask(world)


@pytest.mark.parametrize(("name", "bound"), [("MOST_KEPT", 3), ("MOST_BYTES", 11)])
def test_the_oldest_of_an_account_make_room(
    world: World, answerer: Answerer, monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    """By their number and by their size; those of others stay."""
    monkeypatch.setattr(module, name, bound)
    others = ask(world, resource="other")
    finished(world, others)
    made = []
    for question in (b"abc", b"abcd", b"ab", b"abcde"):
        world.advance(1)
        made.append(ask(world, question))
        finished(world, made[-1])
    kept = [find_or_none(world, report) for report in made]
    assert kept == [False, True, True, True]
    assert find_or_none(world, others)


def find_or_none(world: World, report: Report) -> bool:
    """Tell whether a report is kept."""
    try:
        return bool(find(world, report))
    except NotFoundError:
        return False


def test_answers_are_forgotten_when_their_time_is_over(make_world: Callable[..., World]) -> None:
    """Those that wait for theirs are not."""
    world = make_world(report_retention_hours=1)
    answerer = plugged(world)
    old = finished(world, ask(world))
    answerer.holding = True
    waiting = ask(world)
    world.until(lambda: len(answerer.asked) == 2)
    world.advance(3500)
    young = ask(world)
    world.advance(200)
    for _ in range(1000):
        if not find_or_none(world, old):
            break
        world.run(asyncio.sleep(0.02))
    assert [find_or_none(world, report) for report in (old, waiting, young)] == [False, True, True]
    assert find(world, waiting).state == RUNNING
