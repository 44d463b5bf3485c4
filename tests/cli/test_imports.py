"""`trunkline import`, against a server that is away, busy, restarted or restored while it runs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from trunkline.cli import sending
from trunkline.cli.main import app
from trunkline.sources import lines

KEY = "a-key-for-tests"
FAULTS = ("503", "429", "lost before", "lost after", "500")


class Loaded:
    """A server's side of imports: chunks in their order, each once; it fails as it is told."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.chunks: dict[tuple[str, str], int] = {}
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.refuse: Callable[[Any], str] = lambda _: ""
        self.most_listed = 100
        self.lock = threading.Lock()

    def take(self, fact: str, mark: str, body: bytes) -> tuple[int, Any]:
        """Take a chunk as the server does."""
        file, _, number = mark.partition("/")
        with self.lock:
            known = self.chunks.get((file, fact), 0)
            is_again = int(number) <= known
            if int(number) > known + 1:
                return 409, {"detail": f"Chunk {known + 1} comes first."}
            rejected = []
            for line, text in enumerate(body.split(b"\n"), 1):
                row = json.loads(text)
                if why := self.refuse(row) if row else "nothing":
                    rejected.append({"line": line, "path": "leg_id", "why": why})
                elif not is_again:
                    self.rows.append(row)
            answer = {"rejected": rejected[: self.most_listed], "rejected_total": len(rejected)}
            if is_again:
                return 200, {"accepted": 0, "again": True, **answer}
            self.chunks[file, fact] = int(number)
            return 200, {"accepted": len(body.split(b"\n")) - len(rejected), **answer}


class Handler(BaseHTTPRequestHandler):
    """Speaks the two operations of an import."""

    protocol_version = "HTTP/1.1"
    loaded: Loaded

    def do_GET(self) -> None:
        """Tell how many chunks of a file there are."""
        path, _, query = self.path.partition("?fact=")
        assert self.headers["Authorization"] == f"Bearer {KEY}"
        file = path.rpartition("/")[2]
        self.answer(200, {"file": file, "fact": query, "chunks": self.loaded.chunks.get((file, query), 0)})

    def do_POST(self) -> None:
        """Take a chunk, or fail."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "zstd":
            body = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
        if "arrow" in self.headers["Content-Type"]:
            table = pa.ipc.open_stream(body).read_all().to_pylist()
            body = b"\n".join(json.dumps(row).encode() for row in table)
        self.loaded.asked.append(self.headers["Trunkline-Chunk"])
        fault = self.loaded.faults.pop(0) if self.loaded.faults else ""
        if fault.isdigit():
            self.answer(int(fault), {"detail": "Not now."}, {"Retry-After": "0"})
        elif fault == "lost before":
            self.close_connection = True
        else:
            status, answer = self.loaded.take(self.path.rpartition("/")[2], self.headers["Trunkline-Chunk"], body)
            if fault == "lost after":
                self.close_connection = True
            else:
                self.answer(status, answer)

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve; each test puts a `Loaded` of its own into the handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small chunks and pause for an instant."""
    monkeypatch.setattr(lines, "MOST_ROWS", 5)
    monkeypatch.setattr(sending, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(sending, "LONGEST_PAUSE_S", 0.002)


def loaded() -> Loaded:
    """Give the server an empty store."""
    Handler.loaded = Loaded()
    return Handler.loaded


def call(address: str, *words: str | Path) -> Any:
    """Run the command to its end."""
    return CliRunner().invoke(app, ["import", *map(str, words), "--url", address, "--api-key", KEY])


def written(path: Path, count: int) -> list[dict[str, Any]]:
    """Write a file of calls."""
    rows = [{"leg_id": f"l{number}"} for number in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def test_a_file_is_imported_once_however_often_it_is_called(address: str, tmp_path: Path) -> None:
    """In chunks in their order; the second time nothing is sent; a copy is the same file."""
    store = loaded()
    rows = written(tmp_path / "calls.ndjson", 23)
    done = call(address, tmp_path / "calls.ndjson")
    assert (done.exit_code, store.rows) == (0, rows)
    assert "23 calls imported" in done.stdout
    assert "calls.ndjson: calls, by its name." in done.stderr
    assert len(set(store.asked)) == 5
    (tmp_path / "calls.ndjson").rename(tmp_path / "copy.ndjson")
    done = call(address, tmp_path / "copy.ndjson", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["accepted"], told["before"], store.rows) == (0, 0, 5, rows)
    assert "was there already" in call(address, tmp_path / "copy.ndjson").stdout


@settings(max_examples=25, deadline=None)
@given(faults=st.lists(st.sampled_from(["", *FAULTS]), max_size=25), form=st.sampled_from(["ndjson", "csv"]))
def test_whatever_befalls_the_server_each_row_arrives_once(
    address: str, faults: list[str], form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Busy, away, gone before it took a chunk and gone after."""
    store = loaded()
    store.faults = list(faults)
    file = tmp_path_factory.mktemp("file") / f"calls.{form}"
    rows = written(file, 33)
    if form == "csv":
        file.write_text("leg_id\n" + "".join(f"{row['leg_id']}\n" for row in rows))
    done = call(address, file, "--json")
    assert (done.exit_code, store.rows) == (0, rows), done.stderr
    assert json.loads(done.stdout)["accepted"] == 33


@settings(max_examples=20, deadline=None)
@given(ends_after=st.integers(0, 6))
def test_an_import_that_was_given_up_goes_on_where_it_ended(
    address: str, ends_after: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """When the server is away for longer than one has patience."""
    store = loaded()
    store.faults = [""] * ends_after + ["503"] * 100
    file = tmp_path_factory.mktemp("file") / "calls.ndjson"
    rows = written(file, 33)
    done = call(address, file, "--patience", "0")
    assert (done.exit_code, str(done.exception.message)[:8]) == (1, "Not now.")
    store.faults = []
    assert (call(address, file).exit_code, store.rows) == (0, rows)


def test_rows_arrive_once_though_the_server_is_killed_meanwhile(launch: Any, tmp_path: Path) -> None:
    """A real one, killed and started again on another port while the import goes on."""
    rows = [{"leg_id": f"l{number}", "direction": "outbound", "sip_code": 200} for number in range(1000)]
    (tmp_path / "calls.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = launch().wait()
    done: list[Any] = []

    def bring() -> None:
        done.append(CliRunner().invoke(app, ["import", str(tmp_path / "calls.ndjson"), "--data", str(first.data)]))

    thread = threading.Thread(target=bring)
    thread.start()
    known = 0
    while thread.is_alive() and not known:
        asked = first.run("ask", "calls.count", "--json")
        known = json.loads(asked.stdout)["points"][0]["values"][0] if '"values"' in asked.stdout else 0
    first.stop(signal.SIGKILL)
    second = launch().wait()
    thread.join()
    assert done[0].exit_code == 0, done[0].stderr
    assert known < 1000, "it was over before the server was killed"
    points = json.loads(second.run("ask", "calls.count", "--by", "sip_code", "--json").stdout)["points"]
    assert [point["values"] for point in points] == [[1000]]


def test_facts_come_into_the_account_that_is_named(shared: Any, tmp_path: Path) -> None:
    """By the data folder, and by the address with the key of the default account."""
    assert shared.run("account", "create", "shop").returncode == 0
    written(tmp_path / "calls.ndjson", 3)
    done = shared.run("import", str(tmp_path / "calls.ndjson"), "--account", "shop", "--json")
    assert (done.returncode, json.loads(done.stdout)["accepted"]) == (0, 3), done.stderr
    written(tmp_path / "calls.ndjson", 5)
    found = shared.connection()
    words = (tmp_path / "calls.ndjson", "--account", "shop", "--json", "--url", found["http"], "--api-key")
    done = CliRunner().invoke(app, ["import", *map(str, words), found["api_key"]])
    assert (done.exit_code, json.loads(done.stdout)["accepted"]) == (0, 5), done.stderr
    done = shared.run("ask", "calls.count", "--account", "shop", "--json")
    assert [point["values"] for point in json.loads(done.stdout)["points"]] == [[5]]


def test_a_server_that_was_restored_gets_what_it_lost(address: str, tmp_path: Path) -> None:
    """It lacks a chunk that it had: the import goes back to it."""
    store = loaded()
    rows = written(tmp_path / "calls.ndjson", 40)
    true, restored = store.take, []

    def take(fact: str, mark: str, body: bytes) -> tuple[int, Any]:
        if mark.endswith("/6") and not restored:
            restored.append(mark)
            store.chunks, store.rows = {(mark.partition("/")[0], fact): 2}, store.rows[:10]
        return true(fact, mark, body)

    store.take = take  # type: ignore[method-assign]
    done = call(address, tmp_path / "calls.ndjson")
    assert (done.exit_code, store.rows, len(restored)) == (0, rows, 1), done.stderr


def test_rejected_rows_are_told_and_written_and_the_end_says_so(address: str, tmp_path: Path) -> None:
    """By their lines in the file, whoever found them; the others are imported."""
    store = loaded()
    store.refuse = lambda row: "It is odd." if row["leg_id"] == "l2" else ""
    sheet = "leg_id,sip_code\n" + "".join(f"l{number},{'x' if number == 7 else 200}\n" for number in range(12))
    (tmp_path / "calls.csv").write_text(sheet)
    done = call(address, tmp_path / "calls.csv", "--rejects", tmp_path / "bad.ndjson")
    assert (done.exit_code, len(store.rows)) == (1, 10)
    assert "calls.csv:4: leg_id: It is odd." in done.stderr
    assert "calls.csv:9: sip_code: 'x' is no number." in done.stderr
    assert "10 calls imported" in done.stdout
    assert "2 rejected" in done.stdout
    told = [json.loads(line) for line in (tmp_path / "bad.ndjson").read_text().splitlines()]
    assert [(one["line"], one["row"]) for one in told] == [
        (4, {"leg_id": "l2", "sip_code": "200"}),
        (9, {"leg_id": "l7", "sip_code": "x"}),
    ]


def test_all_rejected_rows_are_written_though_the_server_lists_some(address: str, tmp_path: Path) -> None:
    """Those of chunks that it had already, too; on the screen stand a hundred."""
    store = loaded()
    store.most_listed = 1
    store.refuse = lambda row: "" if row["leg_id"] else "It is empty."
    rows = written(tmp_path / "calls.ndjson", 8)
    text = "".join(json.dumps(row) + "\n" + '{"leg_id": ""}\n' * 20 for row in rows)
    (tmp_path / "calls.ndjson").write_text(text)
    for _ in range(2):
        done = call(address, tmp_path / "calls.ndjson", "--rejects", tmp_path / "bad.ndjson", "--json")
        assert (done.exit_code, store.rows) == (1, rows)
        assert json.loads(done.stdout)["rejected"] == 160
        told = [json.loads(line) for line in (tmp_path / "bad.ndjson").read_text().splitlines()]
        assert [one["line"] for one in told] == [line for line in range(1, 169) if line % 21 != 1]
        assert len(done.stderr.splitlines()) == 102


def test_a_chunk_of_which_nothing_is_left_keeps_its_number(address: str, tmp_path: Path) -> None:
    """What comes behind it is imported."""
    store = loaded()
    (tmp_path / "calls.csv").write_text("leg_id,sip_code\n" + "a,x\n" * 5 + "b,1\n")
    done = call(address, tmp_path / "calls.csv", "--json")
    assert [row["leg_id"] for row in store.rows] == ["b"]
    assert (done.exit_code, json.loads(done.stdout)["rejected"]) == (1, 5)


def test_a_file_that_ends_early_is_imported_up_to_there(address: str, tmp_path: Path) -> None:
    """And the files behind it as well."""
    store = loaded()
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"leg_id": ["a", "b"]})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(2):
            writer.write_batch(batch)
    body = sink.getvalue().to_pybytes()
    (tmp_path / "calls.arrow").write_bytes(body[: len(body) - 70])
    rows = written(tmp_path / "calls.ndjson", 1)
    done = call(address, tmp_path / "calls.arrow", tmp_path / "calls.ndjson")
    assert (done.exit_code, len(store.rows), store.rows[2:]) == (1, 3, rows)
    assert "is damaged" in done.stdout


def test_what_the_server_refuses_ends_it_with_its_sentence(address: str, tmp_path: Path) -> None:
    """It is not tried again, unlike one that is busy."""
    store = loaded()
    store.faults = ["503", "403"]
    written(tmp_path / "calls.ndjson", 1)
    done = call(address, tmp_path / "calls.ndjson")
    assert (done.exit_code, done.exception.message, len(store.asked)) == (1, "Not now. (HTTP 403)", 2)
    assert "Waiting: Not now. (HTTP 503)" in done.stderr


def test_a_server_that_is_not_there_is_waited_for_as_long_as_one_says(tmp_path: Path) -> None:
    """And then it is said where to go on."""
    written(tmp_path / "calls.ndjson", 1)
    done = call("http://127.0.0.1:9", tmp_path / "calls.ndjson", "--patience", "0.01")
    assert done.exit_code == 1
    assert "call this again to go on" in done.exception.message


def test_every_file_is_looked_at_before_anything_is_sent(address: str, tmp_path: Path) -> None:
    """A mistake in the last one is told at once."""
    store = loaded()
    written(tmp_path / "calls.ndjson", 1)
    done = call(address, tmp_path / "calls.ndjson", tmp_path / "missing.csv")
    assert (done.exit_code, store.asked) == (1, [])
    assert "missing.csv does not exist" in done.exception.message
