"""What may be asked of a benchmark."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load

WARM_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """`only` names the contenders to measure (empty: all), `beside` another checkout whose code is measured too."""

    rounds: int = 3
    seconds: float = 5.0
    only: tuple[str, ...] = ()
    beside: Path | None = None

    def wants(self, name: str) -> bool:
        """Tell whether a contender is to be measured."""
        return not self.only or name in self.only

    def load(self, port: int, requests: list[bytes], *, status: int) -> Load:
        """Return the load of one turn on a port of loopback: a request for each connection."""
        return Load(
            host="127.0.0.1",
            port=port,
            requests=tuple(requests),
            status=status,
            warm_s=WARM_S,
            measured_s=self.seconds,
        )
