"""ClickHouse for tests: its own engine, chdb, behind a small HTTP handler, in a process of its own on loopback.

What the server does beyond the engine (users, quotas, replicas) is not here, but for one user and his password.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import importlib.util
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

USER, PASSWORD = "tester", "p@ss/word"
_START_S = 60
# parameters of a request that are no settings of the engine
_OF_HTTP = {"query", "database", "wait_end_of_query", "query_id", "client_protocol_version", "session_id", "compress"}
_OF_HTTP |= {"send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression"}
_CODE = re.compile(r"Code: (\d+)\. ")
_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Served:
    """A running server: its process and where it listens."""

    process: subprocess.Popen[bytes]
    port: int

    def address(self, database: str) -> str:
        """Return the setting `facts` for a database of it."""
        return f"clickhouse://{USER}:p%40ss%2Fword@127.0.0.1:{self.port}/{database}"


@contextmanager
def served(folder: Path, port: int = 0) -> Iterator[Served]:
    """Serve a folder until the block ends; skips the test where the engine is not installed."""
    for package, name in (("chdb", "chdb"), ("clickhouse_connect", "clickhouse-connect")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"package {name}")
    program = [sys.executable, "-m", "tests.support.clickhouse", str(folder), str(port)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE)  # noqa: S603 - our own program
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_S)
        line = process.stdout.readline() if ready else b""
        assert line, "the engine did not start"
        yield Served(process, int(line))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_engine: str
    connect: Any

    def do_GET(self) -> None:
        self._answer(200, b"Ok.\n")

    def do_POST(self) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self._answer(
                403, b"Code: 516. DB::Exception: Authentication failed.", {"X-ClickHouse-Exception-Code": "516"}
            )
            return
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            given |= self._form(body)
            body = b""
        sql, data = (given.pop("query"), body) if "query" in given else (body.decode(), b"")
        connection = self.connect(self.path_of_engine)
        try:
            self._answer(200, self._run(connection, given, sql, data), {"X-ClickHouse-Format": "Native"})
        except RuntimeError as error:
            code = _CODE.search(str(error))
            self._answer(
                500, str(error).encode(), {"X-ClickHouse-Exception-Code": code.group(1)} if code is not None else {}
            )
        finally:
            connection.close()

    def _run(self, connection: Any, given: dict[str, str], sql: str, data: bytes) -> bytes:
        if given.get("database"):
            connection.query(f"USE {given['database']}")
        told = ", ".join(f"{name} = {_literal(value)}" for name, value in given.items() if name not in _OF_HTTP)
        if told:
            connection.query(f"SET {told}")
        found = _FORMAT.search(sql)
        form = found.group(1) if found else "TabSeparated"
        sql = sql[: found.start()] if found else sql
        if data:
            with connection.send_insert(sql, form) as insert:
                insert.append(data)
                insert.finish()
            return b""
        return bytes(connection.query(sql, form).bytes())

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            for part in message.iter_parts()  # type: ignore[attr-defined]
        }

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(folder: str, port: str) -> None:
    """Serve until killed, and say on which port."""
    import chdb  # noqa: PLC0415 - half a second, and only in this process

    first = chdb.connect(folder)  # the engine lives as long as one connection does
    _Handler.path_of_engine, _Handler.connect = folder, staticmethod(chdb.connect)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
    print(server.server_address[1], flush=True)  # noqa: T201 - who started it waits for it
    server.serve_forever()
    first.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
