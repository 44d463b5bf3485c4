"""The demo's calls: thirty days of everything that calls have, the same each time, told once for all starts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from trunkline.apis.trunkline.posted import Reading
from trunkline.catalogue.facts import AnsweredBy, Call, CallEvent, Capability, Edge, Outcome, Sample
from trunkline.clock import TurnedClock
from trunkline.demo.calls import LONGEST_S, legs
from trunkline.demo.client import Answer, Client
from trunkline.demo.ledger import TICK_S, Ledger
from trunkline.demo.networks import HOURS, INCIDENTS, NETWORKS
from trunkline.errors import UnavailableError
from trunkline.numbering import country_of
from trunkline.outcomes import completed
from trunkline.telemetry.batches import batch, facts_of

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
KINDS = {"calls": Call, "samples": Sample, "call-events": CallEvent}


class Told(Client):
    """A server that keeps what it is told: chunks once, keyed posts once, calls by their legs."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__("http://localhost", "", "a2V5", clock)
        self.chunks: dict[tuple[str, str], int] = {}
        self.keys: set[tuple[str, str]] = set()
        self.calls: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[Any]] = {"samples": [], "call-events": []}
        self.posts = 0
        self.status = 200

    async def owned(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answer as the server does."""
        if self.status != 200:
            return Answer(self.status)
        if method == "GET":
            file, _, fact = path.removeprefix("/api/v1/imports/").partition("?fact=")
            return Answer(200, {"chunks": self.chunks.get((file, fact), 0)})
        fact = path.removeprefix("/api/v1/")
        if fact == "facts":
            newest = sorted(call["happened_at"] for call in self.calls.values())[-1:]
            return Answer(200, {"rows": [{"happened_at": moment} for moment in newest]})
        self._take(fact, content, headers or {})
        return Answer(200, {})

    def _take(self, fact: str, content: bytes, headers: Mapping[str, str]) -> None:
        self.posts += 1
        file, _, number = headers.get("Trunkline-Chunk", "").partition("/")
        if number:
            content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
            if int(number) <= self.chunks.get((file, fact), 0):
                return
            assert int(number) == self.chunks.get((file, fact), 0) + 1
            self.chunks[file, fact] = int(number)
        if key := headers.get("Idempotency-Key"):
            if (fact, key) in self.keys:
                return
            self.keys.add((fact, key))
        for row in map(json.loads, content.split(b"\n")):
            if fact != "calls":
                self.rows[fact].append(row)
            elif row["revised_at"] >= self.calls.get(row["leg_id"], row)["revised_at"]:
                self.calls[row["leg_id"]] = row


def ledger(clock: TurnedClock, server: Told, seed: str = "a") -> Ledger:
    """Return a ledger that began at the start."""
    return Ledger(server, clock, START, seed)


@pytest.fixture(scope="module")
def history() -> Mapping[str, list[Any]]:
    """Give what was before the start, as facts: each as it is posted, and completed as the server does."""
    clock = TurnedClock(START)
    found: dict[str, list[Any]] = {}
    for fact, rows in ledger(clock, Told(clock)).history().items():
        reading = Reading(KINDS[fact], lambda _: "demo-calls", START)
        items = enumerate(map(msgspec.json.encode, rows), 1)
        table = batch(KINDS[fact], [one for some in reading.facts(items) for one in some])
        assert reading.rejected == []
        table = completed(table) if fact == "calls" else table
        found[fact] = facts_of(KINDS[fact], table)
    return found


def test_there_are_thousands_of_calls_and_everything_that_calls_have(history: Mapping[str, list[Any]]) -> None:
    """Every outcome, capability, direction, sender type and result of machine detection; countries and networks."""
    calls = history["calls"]
    assert 5000 < len(calls) < 7000

    def seen(name: str) -> set[Any]:
        return {getattr(call, name) for call in calls}

    assert seen("outcome") == set(Outcome.__args__)  # type: ignore[attr-defined]
    assert seen("capability") == {*Capability.__args__} - {""}  # type: ignore[attr-defined]
    assert seen("answered_by") == set(AnsweredBy.__args__)  # type: ignore[attr-defined]
    assert seen("direction") == {"inbound", "outbound"}
    assert seen("sender_type") == {"long code", "toll free", "short code", "sender name", "user"}
    assert seen("hang_up") == {"", "normal", "error"}
    assert len(seen("country")) > 5
    assert seen("network_name") >= {network.name for network in NETWORKS}
    assert len(seen("sip_code")) > 12
    assert len(seen("q850_cause")) > 12
    assert 0 < sum(call.outcome == "" for call in calls) < 20
    assert sum(len(those) > 1 for those in Counter(call.call_id for call in calls).items()) > 300


def test_the_numbers_are_of_their_countries() -> None:
    """A number that is none would have no country."""
    for network in NETWORKS:
        assert country_of(network.begins + "1" * network.free) == network.country


def test_a_part_is_measured_at_all_edges(history: Mapping[str, list[Any]]) -> None:
    """With counts that add up, for calls that there are."""
    samples = history["samples"]
    assert {sample.edge for sample in samples} == {*Edge.__args__} - {"unknown"}  # type: ignore[attr-defined]
    assert {sample.direction for sample in samples} == {"inbound", "outbound", "both"}
    assert 5000 < len(samples) < 30_000
    calls = {call.call_id for call in history["calls"]}
    assert {sample.call_id for sample in samples} <= calls
    assert all(sample.packets_sent == sample.packets_received + sample.packets_lost for sample in samples)
    assert {event.level for event in history["call-events"]} == {"info", "warning", "error"}


def test_days_and_weeks_have_a_rhythm(history: Mapping[str, list[Any]]) -> None:
    """The busiest hour of the day has many times the calls of the quietest, and two days of seven are slow."""
    hours = Counter((call.happened_at - START) // timedelta(hours=1) % 24 for call in history["calls"])
    assert max(hours.values()) > 8 * min(hours.values())
    days = Counter((call.happened_at - START) // timedelta(days=1) for call in history["calls"])
    counts = sorted(days.values())
    assert 2.5 * max(counts[:4]) < min(counts[-15:])


def test_the_incidents_can_be_found(history: Mapping[str, list[Any]]) -> None:
    """A network that nobody reaches for an hour, one that sounds bad for a day, a list of wrong numbers."""
    dead, dull, misdialled = INCIDENTS

    def within(incident: Any) -> list[Any]:
        first, last = (START + timedelta(hours=hour) for hour in (incident.first, incident.last + 1))
        return [call for call in history["calls"] if first <= call.happened_at < last]

    lost = [call for call in within(dead) if call.network_name == dead.network and call.direction == "outbound"]
    assert len(lost) > 40
    assert {(call.outcome, call.sip_code) for call in lost} == {("failed", 503)}
    sounds = [call.mos for call in within(dull) if call.network_name == dull.network and call.mos is not None]
    usual = [call.mos for call in history["calls"] if call.network_name == dull.network and call.mos is not None]
    assert sum(sounds) / len(sounds) < 2.5
    assert sum(usual) / len(usual) > 3.3
    dialled = [call for call in within(misdialled) if call.application_id == misdialled.application]
    assert {call.outcome for call in dialled if call.sender_type != "user" or call.country} == {"bad number"}


def test_the_same_seed_tells_the_same_calls() -> None:
    """And another seed others; none is longer than it may be."""
    assert legs("a", -5) == legs.__wrapped__("a", -5)
    assert legs("a", -5) != legs("b", -5)
    for hour in range(-HOURS, 0):
        assert all(leg.ended_s - leg.at_s < LONGEST_S for leg in legs("a", hour))


def live(client: Told, clock: TurnedClock, seconds: float, step_s: float = 10.0) -> None:
    """Let a ledger run for some time."""

    async def run() -> None:
        task = asyncio.create_task(ledger(clock, client).run())
        for _ in range(int(seconds / step_s)):
            for _ in range(20):
                await asyncio.sleep(0)
            if client.posts == 0:
                await asyncio.sleep(0.5)  # the calls before the start are made in a thread
            clock.advance(step_s)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def expected(until_s: float) -> tuple[dict[str, dict[str, Any]], Mapping[str, list[Any]]]:
    """Return all calls as they are known at a moment, and what was read and happened until then."""
    clock = TurnedClock(START)
    one = ledger(clock, Told(clock))
    past, since = one.history(), one.happened(0, until_s)
    calls = {call["leg_id"]: call for call in (*past["calls"], *since["calls"])}
    plain = msgspec.to_builtins
    return plain(calls), {fact: plain([*past[fact], *since[fact]]) for fact in ("samples", "call-events")}


def told(client: Told) -> Any:
    """Return what a server was told, in an order of its own."""
    return client.calls, {fact: sorted(rows, key=json.dumps) for fact, rows in client.rows.items()}


def ordered(found: Any) -> Any:
    """Return what is expected in the same order."""
    calls, rows = found
    order = {
        fact: sorted(those, key=json.dumps) for fact, those in msgspec.json.decode(msgspec.json.encode(rows)).items()
    }
    return msgspec.json.decode(msgspec.json.encode(calls)), order


def test_it_goes_on_and_tells_everything_once_though_it_is_started_again() -> None:
    """After moments, after hours; those that ran when it stopped are told to their end."""
    clock = TurnedClock(START)
    client = Told(clock)
    live(client, clock, 1800)
    live(client, clock, 600)
    clock.advance(2 * 3600)
    live(client, clock, 600)
    assert told(client) == ordered(expected((clock.now() - START).total_seconds() // TICK_S * TICK_S))
    assert client.posts < 400


def test_it_does_not_pile_up_when_it_was_away_for_long() -> None:
    """A day is caught up; what ran when it stopped has ended."""
    clock = TurnedClock(START)
    client = Told(clock)
    live(client, clock, 600)
    before = dict(client.calls)
    running = {leg for leg, call in before.items() if "ended_at" not in call}
    assert running
    clock.advance(100 * 24 * 3600)
    live(client, clock, 60)
    assert len(client.calls) - len(before) < 400
    assert all("ended_at" in client.calls[leg] for leg in running)


def test_a_server_that_takes_nothing_is_told_of() -> None:
    """The demo pauses then."""
    clock = TurnedClock(START)
    client = Told(clock)
    client.status = 503
    with pytest.raises(UnavailableError, match="HTTP 503"):
        asyncio.run(ledger(clock, client).run())
