"""Rounds: every contender is measured for a few seconds in turn, several times over, while the others stand still.

A machine is never twice the same: whoever is measured a minute later meets another one. So the contenders take
turns, a ratio is one of figures of the same round, and what is reported is the median of the rounds.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.load import Load, Taken, put_on
from benchmarks.processes import Process


def _nothing(_acknowledged: int) -> None:
    pass


@dataclass(frozen=True)
class Contender:
    """Who is measured: the process under load first, then those that work for it; a request has so many `rows`.

    `settle` runs after each turn, before the contender is held still, and waits for what is left to do; it is told
    how many requests were acknowledged so far.
    """

    name: str
    processes: Sequence[Process]
    load: Load
    settle: Callable[[int], None] = _nothing
    rows: int = 1


@dataclass
class Figures:
    """What a contender made of each round."""

    taken: list[Taken] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rows: int = 1

    @property
    def acknowledged(self) -> int:
        """All answers, those before and after the measured time as well."""
        return sum(one.acknowledged for one in self.taken)

    @property
    def sent(self) -> int:
        """How many requests the busiest connection sent, at most."""
        return sum(one.sent for one in self.taken)

    @property
    def per_s(self) -> list[float]:
        """Answers a second, of each round."""
        return [one.per_s for one in self.taken]

    def summary(self) -> dict[str, float | list[float]]:
        """Return the medians: answers a second, waits, and processor time of the server for one answer.

        The processor time is that of the whole round, the time after it included in which the contender settled.
        """
        per_s = statistics.median(self.per_s)
        return {
            "per_s": round(per_s, 1),
            **({"rows_per_s": round(per_s * self.rows)} if self.rows > 1 else {}),
            "p50_ms": round(statistics.median(one.p50_ms for one in self.taken), 3),
            "p99_ms": round(statistics.median(one.p99_ms for one in self.taken), 3),
            "cpu_us": round(sum(self.cpu_s) / self.acknowledged * 1e6, 1),
            "generator_share": round(max(one.cpu_s / one.measured_s for one in self.taken), 3),
            "rounds_per_s": [round(figure, 1) for figure in self.per_s],
        }


def measure(contenders: Sequence[Contender], rounds: int) -> dict[str, Figures]:
    """Let the contenders take turns; each stands still but in its own turn."""
    found = {contender.name: Figures(rows=contender.rows) for contender in contenders}
    for contender in contenders:
        _each(contender, Process.pause)
    for number in range(1, rounds + 1):
        for contender in contenders:
            _each(contender, Process.resume)
            before_s = contender.processes[0].cpu_s()
            figures = found[contender.name]
            taken = put_on(msgspec.structs.replace(contender.load, first=contender.load.first + figures.sent))
            figures.taken.append(taken)
            contender.settle(figures.acknowledged)
            figures.cpu_s.append(contender.processes[0].cpu_s() - before_s)
            _each(contender, Process.pause)
            print(
                f"round {number}  {contender.name:24} {taken.per_s:9.1f}/s  p50 {taken.p50_ms:7.2f} ms  "
                f"p99 {taken.p99_ms:7.2f} ms",
                flush=True,
            )
    for contender in contenders:
        _each(contender, Process.resume)
    return found


def ratio(above: Figures, below: Figures) -> float:
    """Return how many times one contender made the other's figure: the median of the rounds' ratios."""
    pairs = zip(above.per_s, below.per_s, strict=True)
    return round(statistics.median(one / other for one, other in pairs), 3)


def _each(contender: Contender, act: Callable[[Process], None]) -> None:
    for process in contender.processes:
        act(process)
