"""The benchmarks' own machinery: what it counts, and what it refuses to call a figure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.errors import CannotMeasureError
from benchmarks.generator import Connection, Tally
from benchmarks.load import Mark, Taken, put_on
from benchmarks.options import Options
from benchmarks.processes import Process, free_port, listens, running
from benchmarks.requests.chats import Chats
from benchmarks.rounds import Contender, Figures, measure, ratio

POST = b"POST /messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\nhi"
SHORT = Options(rounds=2, seconds=0.1)


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """Give a running echo and its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.requests.echo", str(port)]
    with running("echo", command, log=tmp_path / "log", ready=lambda: listens(port)) as process:
        yield process, port


def figures(*per_s: int) -> Figures:
    """Give the figures of rounds of one second."""
    return Figures(
        [
            Taken(measured_s=1, measured=many, acknowledged=many, p50_ms=1, p99_ms=2, others={}, lost=0, cpu_s=0.1)
            for many in per_s
        ],
        [0.5] * len(per_s),
    )


def test_contenders_take_turns_and_every_answer_is_counted(
    echo: tuple[Process, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round measures each once; a contender held still is let go for its turn."""
    monkeypatch.setattr("benchmarks.options.WARM_S", 0.05)
    process, port = echo
    settled: list[int] = []
    contender = Contender("echo", [process], SHORT.load(port, [POST] * 4, status=201), settled.append)
    found = measure([contender], SHORT.rounds)["echo"]
    assert len(found.taken) == 2
    assert settled == [found.taken[0].acknowledged, found.acknowledged]
    assert 0 < found.sent <= found.acknowledged
    assert all(one.measured <= one.acknowledged and one.p50_ms <= one.p99_ms for one in found.taken)


def test_an_answer_with_another_status_is_no_figure(echo: tuple[Process, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses quickly is not fast."""
    monkeypatch.setattr("benchmarks.options.WARM_S", 0.05)
    with pytest.raises(CannotMeasureError, match=r"others .'404'"):
        put_on(SHORT.load(echo[1], [POST.replace(b"/messages", b"/nowhere")], status=201))


def test_requests_come_around_and_what_is_marked_in_them_is_new_each_time() -> None:
    """The next turn goes on where the last one stopped."""
    marks = (
        Mark(text=b"####"),
        Mark(text=b"@@", start=7, every=2),
        Mark(text=b"%" * 19, start=1_767_225_600, step=60, as_moment=True),
    )
    load = SHORT.load(1, [[b"a #### @@", b"b %%%%%%%%%%%%%%%%%%% ####"]], status=200, marks=marks)
    made = []
    for first in (0, 3):
        later = msgspec.structs.replace(load, first=first)
        connection = Connection(later, later.requests[0], Tally(later))
        made += [connection._request, *(connection._made() for _ in range(2))]
    assert made == [
        b"a 0000 07",
        b"b 2026-01-01T00:01:00 0001",
        b"a 0002 08",
        b"b 2026-01-01T00:03:00 0003",
        b"a 0004 09",
        b"b 2026-01-01T00:05:00 0005",
    ]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """A round in which the machine was busy says nothing of another one."""
    assert ratio(figures(100, 10, 90), figures(50, 5, 30)) == 2


def test_a_server_that_lost_a_message_has_no_figure() -> None:
    """What the API lists is compared with what was acknowledged."""

    class Forgetful(Chats):
        """Lists one message less than it acknowledged."""

        def __init__(self) -> None:
            self.contender = Contender("forgetful", [], SHORT.load(1, [], status=201))
            self._threads = [(None, "one"), (None, "two")]  # type: ignore[list-item]
            self._server = self  # type: ignore[assignment]

        def count(self, _user: object, thread_id: str) -> int:
            """Count what is left."""
            return 5 if thread_id == "one" else 4

    with pytest.raises(CannotMeasureError, match="acknowledged 10 messages and lists 9"):
        Forgetful().check(figures(4, 6))
    assert Forgetful().check(figures(4, 5)) == {"acknowledged": 9, "kept": 9}


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    """The end of its log is in the message."""
    command = [sys.executable, "-c", "print('the port is taken'); raise SystemExit(1)"]
    with (
        pytest.raises(CannotMeasureError, match="the port is taken"),
        running("it", command, log=tmp_path / "log", ready=lambda: False),
    ):
        pass
