"""Sends chunks to the running server: again and again while it is away, in their order, at most two on their way."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from trunkline.clock import monotonic
from trunkline.errors import ConfigurationError, ConflictError, TrunklineError, UnavailableError
from trunkline.library.remote import RefusedError, Remote, at, sentence
from trunkline.sources.chunks import Chunk

T = TypeVar("T", bound=msgspec.Struct)
HEADER = "Trunkline-Chunk"
AT_ONCE = 2
PATIENCE_S = 600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
LONGEST_ASKED_PAUSE_S = 60.0
ANSWER_S = 120.0
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_PATHS = {"log_lines": "logs"}
_NO_FACT = b"{}"  # a chunk of which nothing is left keeps its number


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The server's answer about one of the rejected."""

    line: int
    path: str = ""
    why: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The server's answer to a chunk; `again` when it had it already."""

    accepted: int = 0
    rejected: list[Told] = []
    rejected_total: int = 0
    again: bool = False


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """How many chunks of a file the server has."""

    chunks: int


class Reply(msgspec.Struct, frozen=True):
    """What came back over the wire."""

    status: int
    body: bytes
    after_s: float = 0.0


class Server:
    """A server that may be away for a while, or come back on another port: `find` looks for it.

    `say` hears why it takes longer. Close it at the end.
    """

    def __init__(
        self, find: Callable[[], Remote], *, patience_s: float = PATIENCE_S, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._find = find
        self._remote = find()
        self._patience_s = patience_s
        self._say = say
        self._lock = threading.Lock()
        self._is_lost = False
        self._free: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._stopped = threading.Event()

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        sent: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Send until there is an answer; `sent` is called once the request has left, or could not.

        Raises RefusedError with the server's sentence, UnavailableError when it was away for too long.
        """
        begun, pause_s = monotonic(), FIRST_PAUSE_S
        while True:
            wait_s = pause_s
            try:
                reply = self._once(method, path, body, dict(headers or {}), sent)
                if reply.status not in _AGAIN:
                    return reply
                why, wait_s = sentence(reply.status, reply.body), min(reply.after_s, LONGEST_ASKED_PAUSE_S) or pause_s
            except UnavailableError as error:
                why = error.message
            finally:
                sent()
            if self._stopped.is_set():
                raise UnavailableError("Stopped.")
            if monotonic() - begun + wait_s > self._patience_s:
                raise UnavailableError(f"{why} That was so for {self._patience_s:g} s; call this again to go on.")
            self._say(why)
            self._stopped.wait(wait_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    @contextmanager
    def working(self) -> Iterator[None]:
        """End what is under way when nobody waits for it any more."""
        self._stopped.clear()
        try:
            yield
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        self._stopped.set()
        with self._lock:
            for line in self._busy:
                if line.sock is not None:
                    with suppress(OSError):
                        line.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        while self._free:
            self._free.pop().close()

    def _once(self, method: str, path: str, body: bytes, headers: dict[str, str], sent: Callable[[], None]) -> Reply:
        with self._line() as line:
            headers |= {"Accept": "application/json", "Authorization": f"Bearer {self._remote.api_key}"}
            try:
                line.request(method, self._remote.root + path, body or None, headers)
                sent()
                answer = line.getresponse()
                return Reply(answer.status, answer.read(), _seconds(answer.headers.get("Retry-After", "")))
            except ssl.SSLCertVerificationError as error:
                raise ConfigurationError(
                    f"{self._remote.url} shows a certificate that does not verify ({error.reason}): set SSL_CERT_FILE "
                    "to the server's ca-bundle.pem."
                ) from error
            except (OSError, http.client.HTTPException) as error:
                raise UnavailableError(f"Nobody answers at {self._remote.url} ({error}).") from error

    @contextmanager
    def _line(self) -> Iterator[http.client.HTTPConnection]:
        """Give a connection that nobody uses; after a failure it is closed, and the server looked for anew."""
        with self._lock:
            if self._is_lost:
                self._remote, self._is_lost = self._find(), False
            line = self._free.pop() if self._free else self._remote.line(ANSWER_S)
            self._busy.add(line)
        try:
            yield line
        except BaseException:
            line.close()
            with self._lock:
                self._is_lost = True
                self._busy.discard(line)
                self.close()
            raise
        with self._lock:
            self._busy.discard(line)
            self._free.append(line)


class _Delivery:
    """A chunk on its way."""

    def __init__(self, chunk: Chunk, before: _Delivery | None) -> None:
        self.chunk = chunk
        self.before = before
        self.left = threading.Event()
        self.answer: Future[Answer]


class BehindError(ConflictError):
    """The server has fewer chunks than it said before: it was restored."""


class Import:
    """Brings the chunks of one file to the server; `mark` names the file, `table` the facts."""

    def __init__(self, server: Server, table: str, mark: str) -> None:
        self._server = server
        self._table = table
        self._mark = mark

    def known(self) -> int:
        """Ask how many chunks the server has."""
        path = f"{at('imports', self._mark)}?{urlencode({'fact': self._table})}"
        reply = self._server.send("GET", path)
        if reply.status == 404 and b"detail" not in reply.body:
            raise RefusedError("This server takes no imports: it is of an older version.")
        return _read(reply, Known).chunks

    def deliver(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Answer]]:
        """Send chunks, yield each with its answer in their order.

        Raises BehindError when the server lacks one that it had, and what `Server.send` raises; what `chunks` raises
        comes after the answers to those before.
        """
        pending: list[_Delivery] = []
        failure: TrunklineError | None = None
        with ThreadPoolExecutor(AT_ONCE, "import") as pool, self._server.working():
            reading = iter(chunks)
            while True:
                try:
                    chunk = next(reading, None)
                except TrunklineError as error:
                    chunk, failure = None, error
                if chunk is None:
                    break
                if len(pending) == AT_ONCE:
                    first = pending.pop(0)
                    yield first.chunk, first.answer.result()
                one = _Delivery(chunk, pending[-1] if pending else None)
                one.answer = pool.submit(self._deliver, one)
                pending.append(one)
            for one in pending:
                yield one.chunk, one.answer.result()
        if failure is not None:
            raise failure

    def _deliver(self, one: _Delivery) -> Answer:
        try:
            body, media_type = one.chunk.body(), one.chunk.media_type
            if one.before is not None:
                one.before.left.wait()
            path = at(_PATHS.get(self._table, self._table.replace("_", "-")))
            headers = {HEADER: f"{self._mark}/{one.chunk.number}", "Content-Type": media_type}
            headers |= {"Content-Encoding": "zstd"} if body else {"Content-Type": "application/x-ndjson"}
            reply = self._server.send("POST", path, body or _NO_FACT, headers, one.left.set)
            if reply.status == 409 and one.before is not None:
                one.before.answer.result()  # it came before the one that it follows
                reply = self._server.send("POST", path, body or _NO_FACT, headers)
            if reply.status == 409 and self.known() < one.chunk.number - 1:
                raise BehindError
            return _read(reply, Answer) if body else Answer()
        finally:
            one.before = None  # or a chain of all that came before would be kept
            one.left.set()


def _read(reply: Reply, shape: type[T]) -> T:
    if reply.status >= 400:
        raise RefusedError(sentence(reply.status, reply.body))
    try:
        return msgspec.json.decode(reply.body, type=shape)
    except msgspec.DecodeError as error:
        raise RefusedError("The answer is not a Trunkline's: is this its address?") from error


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
