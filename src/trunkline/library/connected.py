"""A running server, asked over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

import msgspec
import pyarrow as pa

from trunkline.apis.trunkline.asked import AskRequest, Form, RowsRequest
from trunkline.apis.trunkline.ingest import OPERATIONS
from trunkline.catalogue.facts import Fact
from trunkline.catalogue.load import load
from trunkline.connection import account as account_of
from trunkline.errors import ConfigurationError, LimitedError, UnavailableError
from trunkline.ids import Ids
from trunkline.library.line import Asking, Taken, Trunkline, ask_request
from trunkline.library.remote import Remote, announced, at

KEY = "TRUNKLINE_API_KEY"
TRIES = 4
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Connected(Trunkline):
    """A Trunkline that runs somewhere else."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self._ids = Ids()

    def close(self) -> None:
        """Nothing is held open."""

    def _take(self, kind: type[Fact], body: bytes) -> Taken:
        """Post facts; what may or may not have arrived is posted again under the same key, and taken once."""
        path = next(row.path for name, row in load().services["api"].operations.items() if OPERATIONS.get(name) is kind)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": self._ids.guid()}
        for left in reversed(range(TRIES)):
            try:
                return msgspec.json.decode(self.remote.fetch("POST", path, body, headers), type=Taken)
            except (UnavailableError, LimitedError) as error:
                if not left:
                    raise
                time.sleep(min(error.facts.get("retry_after_s", _PAUSE_S), _LONGEST_PAUSE_S))
        raise AssertionError  # the last try has raised

    def _ask(self, request: AskRequest) -> pa.Table:
        return self._table(at("ask"), request)

    def _explain(self, request: AskRequest) -> Mapping[str, Any]:
        body = msgspec.json.encode(msgspec.structs.replace(request, explain=True))
        found: dict[str, Any] = msgspec.json.decode(self.remote.fetch("POST", at("ask"), body, {}))
        return found

    def written(self, form: Form, measures: str | Iterable[str], **given: Unpack[Asking]) -> bytes:
        """Return an answer as the server writes it: json, csv, arrow or parquet."""
        body = msgspec.json.encode(msgspec.structs.replace(ask_request(measures, given), format=form))
        return self.remote.fetch("POST", at("ask"), body, {})

    def _rows(self, request: RowsRequest) -> pa.Table:
        return self._table(at("facts"), request)

    def _table(self, path: str, request: AskRequest | RowsRequest) -> pa.Table:
        body = msgspec.json.encode(msgspec.structs.replace(request, format="arrow"))
        return pa.ipc.open_stream(self.remote.fetch("POST", path, body, {})).read_all()


def connect(
    url: str = "",
    *,
    api_key: str = "",
    data: str | os.PathLike[str] = "",
    account: str = "",
    ca_file: str = "",
) -> Trunkline:
    """Connect to a running server: by its address, or by its data folder on this machine.

    `url` is an address, or a connection string, whose endpoint counts. `api_key` is the environment's
    TRUNKLINE_API_KEY unless given; with `data` it is that of the account, of the default one unless named. `ca_file`
    is the file of the roots of its certificate; without it those of the system, or of SSL_CERT_FILE, count.
    Raises UnavailableError when no server runs on the folder, NotFoundError, ConfigurationError.
    """
    if not url:
        found = announced(Path(data) if data else None)
        return Connected(Remote(found.local, api_key or account_of(found, account).api_key))
    if data or account:
        raise ConfigurationError("Give an address, or a data folder with an account of it, not both.")
    api_key = api_key or os.environ.get(KEY, "")
    if not api_key:
        raise ConfigurationError(
            f"{_endpoint(url)} needs an API key: give api_key, or set {KEY}; `trunkline connection` prints it."
        )
    return Connected(Remote(_endpoint(url), api_key, ca_file=ca_file))


def _endpoint(text: str) -> str:
    """Return an address, also out of a connection string."""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    named = {name.strip().lower(): value for name, value in parts.items()}
    return named.get("endpoint", text)
