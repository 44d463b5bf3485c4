"""Our own server as a contender: threads of four members, one thread a connection, with a webhook or without."""

import http.client
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import ours
from benchmarks.errors import CannotMeasureError
from benchmarks.options import Options
from benchmarks.ours import Ours
from benchmarks.peers import CACHE
from benchmarks.processes import Process, free_port, listens, running
from benchmarks.rounds import Contender, Figures

MEMBERS = 4
TOLD = "Microsoft.Communication.ChatMessageReceivedInThread"
_SETTLED_S = 300.0
_POLL_S = 0.1


class Chats:
    """A server with threads in it; `check` compares what it has with what it acknowledged."""

    def __init__(self, name: str, server: Ours, options: Options, text: str, connections: int) -> None:
        self._server = server
        users = [server.user() for _ in range(MEMBERS)]
        # every member sends as often as the others
        circles = [users[i % MEMBERS :] + users[: i % MEMBERS] for i in range(connections)]
        self._threads = [(circle[0], server.thread(circle)) for circle in circles]
        requests = [server.sending(user, thread_id, text) for user, thread_id in self._threads]
        self.contender = Contender(name, [server.process], options.load(server.port, requests, status=201))

    def check(self, figures: Figures) -> dict[str, object]:
        """Count the messages through the API; raises CannotMeasureError unless each acknowledged one is there once."""
        kept = sum(self._server.count(user, thread_id) for user, thread_id in self._threads)
        if kept != figures.acknowledged:
            raise CannotMeasureError(
                f"{self.contender.name} acknowledged {figures.acknowledged} messages and lists {kept}"
            )
        return {"acknowledged": figures.acknowledged, "kept": kept}


class Told(Chats):
    """The same with a live webhook: one event a message, in a delivery of its own, as subscriptions have it by default.

    A turn ends when the receiver has everything: what was put off is part of the processor time, and its length
    is reported, but the answers are counted while the load lasts.
    """

    def __init__(
        self, name: str, server: Ours, options: Options, text: str, connections: int, receiver: Process, port: int
    ) -> None:
        super().__init__(name, server, options, text, connections)
        server.subscribe(f"http://127.0.0.1:{port}/hook", [TOLD])
        self._port = port
        self._behind_s: list[float] = []
        plain = self.contender
        self.contender = Contender(name, [*plain.processes, receiver], plain.load, self._settle)

    def check(self, figures: Figures) -> dict[str, object]:
        """Count the messages, and the events that came: one for each, under an id of its own."""
        counted = super().check(figures)
        told = _told(self._port)
        if told["events"] != figures.acknowledged:
            raise CannotMeasureError(f"{self.contender.name}: {figures.acknowledged} messages, but {told} came")
        return {**counted, **told, "behind_s": [round(one, 2) for one in self._behind_s]}

    def _settle(self, acknowledged: int) -> None:
        """Wait until the receiver has an event for every message."""
        began = time.monotonic()
        while _told(self._port)["events"] < acknowledged:
            if time.monotonic() - began > _SETTLED_S:
                raise CannotMeasureError(f"{acknowledged} messages were acknowledged, but {_told(self._port)} came")
            time.sleep(_POLL_S)
        self._behind_s.append(time.monotonic() - began)


@contextmanager
def quiet(name: str, options: Options, source: Path | None, text: str, connections: int) -> Iterator[Chats]:
    """Serve without a subscription."""
    with ours.serving(name, source) as server:
        yield Chats(name, server, options, text, connections)


@contextmanager
def told(name: str, options: Options, source: Path | None, text: str, connections: int) -> Iterator[Chats]:
    """Serve with a webhook that is told of every message."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.requests.receiver", str(port)]
    with (
        running(f"{name}'s receiver", command, log=CACHE / "receiver.log", ready=lambda: listens(port)) as receiver,
        ours.serving(name, source) as server,
    ):
        yield Told(name, server, options, text, connections, receiver, port)


def _told(port: int) -> dict[str, int]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("GET", "/")
        return msgspec.json.decode(client.getresponse().read(), type=dict[str, int])
    finally:
        client.close()
