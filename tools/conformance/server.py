"""The server under test: started here on free ports, or described by a file."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tools.conformance.errors import CannotRunError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.2


class Connection(msgspec.Struct, frozen=True):
    """What `trunkline connection --json` tells a program; fields that the suites do not need are ignored."""

    http: str
    https: str
    ca_file: str
    connection_string: str
    env: dict[str, str]
    phone_numbers: list[str] = []

    def fill(self, text: str) -> str:
        """Put our values into the `{…}` of a text."""
        try:
            return text.format_map(msgspec.structs.asdict(self))
        except (KeyError, IndexError) as error:
            raise CannotRunError(f"the connection has nothing for {text!r}") from error


def parse(document: bytes, origin: str) -> Connection:
    """Read a connection; `CannotRunError` when it is not one, or not one over TLS."""
    try:
        connection = msgspec.json.decode(document, type=Connection)
    except msgspec.DecodeError as error:
        raise CannotRunError(f"{origin}: {error}") from error
    if "endpoint=https://" not in connection.connection_string.lower():
        # The SDKs put https:// before the host whatever the connection string says.
        raise CannotRunError(f"{origin}: the connection string must name an https endpoint")
    return connection


@contextmanager
def described(path: Path) -> Iterator[Connection]:
    """Use a server that somebody else runs, by the JSON file that describes it."""
    try:
        document = path.read_bytes()
    except OSError as error:
        raise CannotRunError(f"{path}: {error.strerror}") from error
    yield parse(document, str(path))


@contextmanager
def started(log: Path) -> Iterator[Connection]:
    """Run a server of our own in a throw-away data folder until the block ends; its output goes to `log`."""
    with tempfile.TemporaryDirectory(prefix="trunkline-conformance-") as scratch, log.open("wb") as output:
        data = Path(scratch) / "data"
        options = ["--data", str(data), "--http-port", "0", "--https-port", "0"]
        server = subprocess.Popen(
            [sys.executable, "-m", "trunkline", "serve", *options],
            cwd=scratch, env=_clean_environment(), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield _await(server, data, log)
        finally:
            _stop(server)


def _clean_environment() -> dict[str, str]:
    """Leave out settings of a server that the caller may have in his environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}


def _await(server: subprocess.Popen[bytes], data: Path, log: Path) -> Connection:
    deadline = time.monotonic() + START_TIMEOUT_S
    connection: Connection | None = None
    while time.monotonic() < deadline:
        if server.poll() is not None:
            ended = f"the server ended with {server.returncode} before it was ready"
            raise CannotRunError(f"{ended}:\n{_tail(log)}")
        connection = connection or _ask(data)
        if connection is not None and _is_ready(connection):
            return connection
        time.sleep(POLL_S)
    raise CannotRunError(f"the server was not ready in {START_TIMEOUT_S:.0f} s:\n{_tail(log)}")


def _ask(data: Path) -> Connection | None:
    """Ask the command line for the connection; None while there is none yet."""
    command = [sys.executable, "-m", "trunkline", "connection", "--data", str(data), "--json"]
    try:
        done = subprocess.run(
            command, cwd=data.parent, env=_clean_environment(), capture_output=True, check=False, timeout=30
        )
    except subprocess.TimeoutExpired:
        return None
    return parse(done.stdout, "trunkline connection") if done.returncode == 0 else None


def _is_ready(connection: Connection) -> bool:
    # Loopback and plain HTTP: no proxy of the environment may stand between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{connection.http}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
