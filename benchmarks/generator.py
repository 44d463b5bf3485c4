"""The load generator: reads a load from its input, puts it on, writes what it took. Run by `benchmarks.load`.

It shares the machine with the server that it measures, so it does as little as can be: the requests are made
before, and of an answer only the status and its end are looked at (some 20 µs an exchange). What has to be new in
each is put in while the answer before is waited for.
"""

import asyncio
import sys
import time
from array import array

import httptools
import msgspec
import uvloop

from benchmarks.load import Load, Taken

_LAST_ANSWERS_S = 30.0


class Tally:
    """What all connections have seen; `ended` is set when the last one has its last answer."""

    def __init__(self, load: Load) -> None:
        now = time.perf_counter()
        self.status = load.status
        self.from_s = now + load.warm_s
        self.until_s = self.from_s + load.measured_s
        self.open = len(load.requests)
        self.ended = asyncio.Event()
        self.waits_s = array("d")
        self.acknowledged = 0
        self.others: dict[str, int] = {}
        self.lost = 0
        self.sent = 0

    def note(self, status: int, sent_s: float, now: float) -> None:
        """Count an answer."""
        if status != self.status:
            self.others[str(status)] = self.others.get(str(status), 0) + 1
            return
        self.acknowledged += 1
        if self.from_s <= now < self.until_s:
            self.waits_s.append(now - sent_s)

    def close_one(self) -> None:
        """Note that a connection has had its last answer."""
        self.open -= 1
        if not self.open:
            self.ended.set()


class Connection(asyncio.Protocol):
    """Sends a request whenever the last one is answered; a server that closes in between is met anew."""

    def __init__(self, load: Load, requests: tuple[bytes, ...], tally: Tally) -> None:
        self._load = load
        self._requests = requests
        self._tally = tally
        self._sending = load.first
        self._request = self._made()
        self._waits = False
        self._sent_s = 0.0
        self._again: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and send; connecting is part of the exchange."""
        self._sent_s = time.perf_counter()
        self._waits = True
        await asyncio.get_running_loop().create_connection(lambda: self, self._load.host, self._load.port)

    def _made(self) -> bytes:
        """Make the next request."""
        request = self._requests[self._sending % len(self._requests)]
        for mark in self._load.marks:
            request = request.replace(mark.text, mark.shown(self._sending))
        self._sending += 1
        return request

    def _send(self) -> None:
        self._transport.write(self._request)
        self._tally.sent = max(self._tally.sent, self._sending - self._load.first)
        self._request = self._made()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is a stream
        """Send the first request."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Count the answer, and send the next request (the parser calls this)."""
        now = time.perf_counter()
        self._waits = False
        self._tally.note(self._parser.get_status_code(), self._sent_s, now)
        if now >= self._tally.until_s:
            self._transport.close()
            self._tally.close_one()
        elif self._parser.should_keep_alive():
            self._sent_s, self._waits = now, True
            self._send()
        else:
            self._transport.close()
            self._again = asyncio.ensure_future(self.open())

    def connection_lost(self, _error: Exception | None) -> None:
        """Give up when the server closed while an answer was due."""
        if self._waits and self._again is None:
            self._tally.lost += 1
            self._tally.close_one()
        self._again = None


async def put_on(load: Load) -> Taken:
    """Put the load on and return what it took."""
    tally = Tally(load)
    for requests in load.requests:
        await Connection(load, requests, tally).open()
    await asyncio.sleep(tally.from_s - time.perf_counter())
    cpu_s = time.process_time()
    await asyncio.sleep(tally.until_s - time.perf_counter())
    cpu_s = time.process_time() - cpu_s
    async with asyncio.timeout(_LAST_ANSWERS_S):
        await tally.ended.wait()
    waits_s = sorted(tally.waits_s)
    return Taken(
        measured_s=load.measured_s,
        measured=len(waits_s),
        acknowledged=tally.acknowledged,
        p50_ms=_share(waits_s, 0.50) * 1000,
        p99_ms=_share(waits_s, 0.99) * 1000,
        others=tally.others,
        lost=tally.lost,
        cpu_s=cpu_s,
        sent=tally.sent,
    )


def _share(ordered: list[float], share: float) -> float:
    return ordered[int(len(ordered) * share)] if ordered else 0.0


if __name__ == "__main__":
    taken = uvloop.run(put_on(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(taken))
