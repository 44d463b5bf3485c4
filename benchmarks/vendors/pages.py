"""One call's metrics, as Twilio's Insights shows them: of another call each time, so that nothing is ready."""

import http.client
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import facts
from benchmarks.errors import CannotMeasureError
from benchmarks.facts import A_CALL, Year
from benchmarks.options import Options
from benchmarks.ours import Ours, request
from benchmarks.peers import CACHE, Peers
from benchmarks.processes import free_port, listens, running
from benchmarks.rounds import Contender
from trunkline.ids import digest

CONNECTIONS = 16
_CALLS = 400
"""So many calls each connection goes through before it begins anew."""
_CHECKED = 20
_DESCRIPTION = Path(__file__).parents[2] / "tests" / "specs" / "twilio" / "twilio_insights_v1.json"
_QUERY = f"Edge=sdk_edge&PageSize={A_CALL}"


def ours(server: Ours, year: Year, options: Options) -> Contender:
    """Return our server as a contender; some pages are compared with the generator before."""
    chance = random.Random(f"{facts.SEED} pages")
    calls = [int(call) for day in year.sampled_days() for call in year.sampled_calls(day)]
    chosen = chance.sample(calls, min(len(calls), CONNECTIONS * _CALLS))
    for call in chosen[:_CHECKED]:
        _check(server, year, call)
    requests = [
        request("GET", _path(call), {"Host": server.address.netloc, "Authorization": server.basic}, b"")
        for call in chosen
    ]
    shares = [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]
    return Contender("metrics_page", [server.process], options.load(server.port, shares, status=200))


def _path(call: int) -> str:
    leg = facts.leg_ids(np.array([call]))[0].as_py()
    return f"/v1/Voice/CA{digest(leg)}/Metrics?{_QUERY}"


def _check(server: Ours, year: Year, call: int) -> None:
    """Compare a page with the readings that the generator made; raises CannotMeasureError."""
    page = msgspec.json.decode(server.get(_path(call)))
    found = [metric["timestamp"] for metric in page["metrics"]]
    made = [_seconds(int(moment)) for moment in year.samples_of(call)]
    if [moment[:19] for moment in found] != made or page["meta"]["next_page_url"] is not None:
        raise CannotMeasureError(f"the page of call {call} has {len(found)} readings, not those that were made")


def _seconds(micros: int) -> str:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@contextmanager
def prism(peers: Peers, options: Options) -> Iterator[Contender]:
    """Run Prism's static mock of the vendor's own description: one reading, always the same. It writes no lines."""
    port = free_port()
    command = [*peers.node_program("prism"), "mock", "--port", str(port), "--verboseLevel", "error", str(_DESCRIPTION)]
    sent = request(
        "GET",
        f"/v1/Voice/CA{'a' * 32}/Metrics?{_QUERY}",
        {"Host": f"127.0.0.1:{port}", "Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        b"",
    )
    with running("prism", command, log=CACHE / "prism.log", ready=lambda: listens(port)) as process:
        _try(port)
        yield Contender("prism", [process], options.load(port, [sent] * CONNECTIONS, status=200))


def _try(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request(
            "GET",
            f"/v1/Voice/CA{'a' * 32}/Metrics?{_QUERY}",
            headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        )
        answer = client.getresponse()
        said = answer.read()
    finally:
        client.close()
    if answer.status != 200 or b'"metrics"' not in said:
        raise CannotMeasureError(f"Prism answers {answer.status}: {said[:300].decode(errors='replace')}")
