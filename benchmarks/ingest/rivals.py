"""VictoriaMetrics as a contender, with its default settings.

It answers when a post is parsed and in memory, and writes to the disk later; ours answers when it is on the disk.
"""

import http.client
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.errors import CannotMeasureError
from benchmarks.ingest import bodies
from benchmarks.options import Options
from benchmarks.ours import request
from benchmarks.peers import CACHE, Peers
from benchmarks.processes import Process, disk_mb, free_port, listens, running
from benchmarks.rounds import Contender, Figures


class Rival:
    """A running metric store that facts of a kind are imported into."""

    def __init__(self, process: Process, port: int, data: Path, options: Options, fact: str, form: str) -> None:
        self._process, self._port, self._data, self._fact, self._form = process, port, data, fact, form
        make = bodies.MAKERS[fact]
        made = [
            [
                _importing(port, *bodies.FORMS[form](fact, make(connection, variant, bodies.ROWS)))
                for variant in range(bodies.VARIANTS)
            ]
            for connection in range(4)
        ]
        load = options.load(port, made, status=204, marks=bodies.marks())
        self.contender = Contender(process.name, [process], load, rows=bodies.ROWS)

    def check(self, figures: Figures) -> dict[str, object]:
        """Compare how many values it says it took with what it answered; raises CannotMeasureError."""
        expected = figures.acknowledged * self.contender.rows * bodies.values_a_row(self._fact)
        taken = _taken(self._port)
        if taken != expected:
            raise CannotMeasureError(f"{self.contender.name} answered {expected} values and counts {taken}")
        memory, disk = round(self._process.memory_mb()), round(disk_mb(self._data))
        return {"form": self._form, "values": taken, "memory_mb": memory, "disk_mb": disk}


@contextmanager
def victoria(name: str, peers: Peers, options: Options, fact: str, form: str) -> Iterator[Rival]:
    """Run it on a fresh folder."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="victoria-", dir=CACHE) as folder:
        command = [str(peers.debian_program("victoria-metrics")), f"-storageDataPath={folder}/data"]
        command += [f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=1y"]
        with running(name, command, log=CACHE / "victoria.log", ready=lambda: listens(port)) as process:
            yield Rival(process, port, Path(folder), options, fact, form)


def _importing(port: int, path: str, body: bytes) -> bytes:
    return request("POST", path, {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))}, body)


def _taken(port: int) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("GET", "/metrics")
        page = client.getresponse().read().decode()
    finally:
        client.close()
    lines: list[Any] = [line.split(" ") for line in page.splitlines() if line.startswith("vm_rows_inserted_total{")]
    return sum(int(value) for _, value in lines)
