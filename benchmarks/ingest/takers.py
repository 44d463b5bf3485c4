"""Our own server as a contender: facts come in over HTTP, durable when answered, and are counted after each turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from benchmarks import ours
from benchmarks.errors import CannotMeasureError
from benchmarks.ingest import bodies
from benchmarks.options import Options
from benchmarks.ours import Ours
from benchmarks.processes import disk_mb
from benchmarks.rounds import Contender, Figures

_DAYS = 400


class Taker:
    """A server that facts of a kind are posted to, so many `rows` a post over so many `connections`.

    After each turn it is asked how many there are: the answer has to hold every one that was acknowledged, and none
    twice. How long that took, and what waited in the inbox before, is reported.
    """

    def __init__(self, name: str, server: Ours, options: Options, fact: str, rows: int, connections: int) -> None:
        self.server = server
        self._fact = fact
        self._before = self._sent = 0
        self._asked_s: list[float] = []
        self._backlog: list[int] = []
        make = bodies.MAKERS[fact]
        made = [
            [
                server.posting(fact, bodies.json_lines(make(connection, variant, rows)))
                for variant in range(bodies.VARIANTS)
            ]
            for connection in range(connections)
        ]
        load = options.load(server.port, made, status=200, marks=bodies.marks())
        self.contender = Contender(name, [server.process], load, self._settle, rows)

    def count(self) -> int:
        """Ask how many facts there are."""
        now = time.time()
        question = {
            "measures": [f"{self._fact}.count"],
            "start": _rfc3339(now - _DAYS * 86400),
            "end": _rfc3339(now + 86400),
            # the API measures itself, too
            "where": [{"column": "service", "values": ["api"], "op": "is not"}] if self._fact == "requests" else [],
        }
        points = self.server.ask(question)["points"]
        return int(points[0]["values"][0]) if points else 0

    def begin(self, name: str, there: int) -> None:
        """Begin anew under another name, with so many facts there already; what is sent goes on where it stopped."""
        self._before = there
        load = msgspec.structs.replace(self.contender.load, first=self._sent)
        self.contender = replace(self.contender, name=name, load=load)

    def check(self, figures: Figures) -> dict[str, object]:
        """Return what was found after the turns; raises CannotMeasureError unless all of it is there once."""
        self._compare(figures.acknowledged)
        self._sent += figures.sent
        memory, disk = round(self.server.process.memory_mb()), round(disk_mb(self.server.folder))
        return {
            "there_before": self._before,
            "acknowledged": figures.acknowledged * self.contender.rows,
            "kept": self.count() - self._before,
            "backlog_rows": max(self._backlog),
            "asked_after_ms": [round(one * 1000) for one in self._asked_s],
            "memory_mb": memory,
            "disk_mb": disk,
        }

    def _settle(self, acknowledged: int) -> None:
        self._backlog.append(int(self.server.state()["trunkline_loader_lag_rows"]))
        began = time.monotonic()
        self.count()
        self._asked_s.append(time.monotonic() - began)
        self._compare(acknowledged)

    def _compare(self, acknowledged: int) -> None:
        kept, expected = self.count() - self._before, acknowledged * self.contender.rows
        if kept != expected:
            raise CannotMeasureError(f"{self.contender.name} acknowledged {expected} {self._fact} and counts {kept}")


@contextmanager
def taking(
    name: str, options: Options, source: Path | None, fact: str, rows: int = bodies.ROWS, connections: int = 4
) -> Iterator[Taker]:
    """Serve on a fresh folder."""
    with ours.serving(name, source) as server:
        yield Taker(name, server, options, fact, rows, connections)


def _rfc3339(moment_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment_s))
