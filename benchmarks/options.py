"""What may be asked of a benchmark."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load, Mark

WARM_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """`only` names the contenders to measure (empty: all), `beside` another checkout whose code is measured too.

    `rows` is how many facts a store is filled with, `fresh` whether one that was filled before is filled anew.
    """

    rounds: int = 3
    seconds: float = 5.0
    only: tuple[str, ...] = ()
    beside: Path | None = None
    rows: int = 10_000_000
    fresh: bool = False

    def wants(self, name: str) -> bool:
        """Tell whether a contender is to be measured."""
        return not self.only or name in self.only

    def load(
        self, port: int, requests: Iterable[bytes | Sequence[bytes]], *, status: int, marks: Sequence[Mark] = ()
    ) -> Load:
        """Return the load of one turn on a port of loopback: a request, or several, for each connection."""
        return Load(
            host="127.0.0.1",
            port=port,
            requests=tuple((one,) if isinstance(one, bytes) else tuple(one) for one in requests),
            status=status,
            marks=tuple(marks),
            warm_s=WARM_S,
            measured_s=self.seconds,
        )
