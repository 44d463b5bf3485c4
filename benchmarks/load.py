"""A load, what it took, and how one is put on a server: by a process of its own, which nothing else slows."""

import subprocess
import sys
import time

import msgspec

from benchmarks.errors import CannotMeasureError

_GRACE_S = 60.0


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A text that gives way to something new at each sending, and just as long.

    It becomes a number that begins at `start` and grows by `step` once in `every` sendings of a connection: in digits,
    or, `as_moment`, as so many seconds since 1970 in RFC 3339, up to the second and without a zone.
    """

    text: bytes
    start: int = 0
    step: int = 1
    every: int = 1
    as_moment: bool = False

    def shown(self, sending: int) -> bytes:
        """Return what stands in its place at a sending, which is counted from 0."""
        value = self.start + self.step * (sending // self.every)
        if self.as_moment:
            return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(value)).encode()
        return b"%0*d" % (len(self.text), value)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: over each connection its own requests, one after the other, the next when the last is answered.

    `requests` has some whole HTTP/1.1 requests for each connection, which come around; the `marks` in them never say
    the same twice, also over several turns, if `first` is what was sent before. The first `warm_s` seconds are not
    measured, the `measured_s` after them are. An answer counts when it has this `status`.
    """

    host: str
    port: int
    requests: tuple[tuple[bytes, ...], ...]
    status: int
    warm_s: float
    measured_s: float
    marks: tuple[Mark, ...] = ()
    first: int = 0


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: `measured` answers within the measured time, `acknowledged` ones from the first to the last.

    `others` counts the answers with another status, `lost` the connections that ended in the middle of an exchange.
    `sent` is how many requests the busiest connection sent.
    `cpu_s` is what the generator itself used of `measured_s`: near that, it was the bottleneck.
    """

    measured_s: float
    measured: int
    acknowledged: int
    p50_ms: float
    p99_ms: float
    others: dict[str, int]
    lost: int
    cpu_s: float
    sent: int = 0

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.measured / self.measured_s


def put_on(load: Load) -> Taken:
    """Put a load on a server and return what it took; raises CannotMeasureError when an answer was a wrong one."""
    command = [sys.executable, "-m", "benchmarks.generator"]
    patience_s = load.warm_s + load.measured_s + _GRACE_S
    done = subprocess.run(
        command, input=msgspec.json.encode(load), capture_output=True, check=False, timeout=patience_s
    )
    if done.returncode != 0:
        raise CannotMeasureError(f"the load generator failed:\n{done.stderr.decode(errors='replace').strip()}")
    taken = msgspec.json.decode(done.stdout, type=Taken)
    if taken.others or taken.lost or not taken.measured:
        raise CannotMeasureError(
            f"{load.host}:{load.port} gave {taken.measured} answers {load.status}, others {taken.others}, and lost "
            f"{taken.lost} connections"
        )
    return taken
