"""What must hold of any calls: outcomes add up, hang-ups add up, and a split sums to its whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apis.infobip.conftest import Client
from tests.support.world import World
from trunkline.catalogue.load import load

WORDS = load().words["infobip"]
VOICE = [name for name, row in WORDS.metrics.items() if row.means.startswith("calls.")]
COUNTS = [name for name in VOICE if WORDS.metrics[name].type == "INTEGER"]
DIMENSIONS = [name for name, row in WORDS.dimensions.items() if not row.lacks]
END = "2026-11-03T13:00:00Z"


def calls() -> st.SearchStrategy[dict[str, Any]]:
    """Make calls that have ended, told by codes, causes, times, outcomes, or by nothing but their end."""
    optional = {
        "sip_code": st.sampled_from([0, 200, 302, 401, 403, 404, 408, 480, 484, 486, 487, 500, 503, 600, 603, 604]),
        "q850_cause": st.sampled_from([0, 1, 16, 17, 18, 19, 20, 21, 31, 34, 41, 127]),
        "seized_at": st.sampled_from(["2026-11-03T12:30:01Z", "2026-11-03T12:30:09Z"]),
        "answered_at": st.sampled_from(["2026-11-03T12:30:10Z", "2026-11-03T12:31:00Z"]),
        "outcome": st.sampled_from(
            ["answered", "busy", "no answer", "cancelled", "rejected", "bad number", "unavailable", "failed"]
        ),
        "capability": st.sampled_from(["phone", "webrtc"]),
        "country": st.sampled_from(["HR", "US"]),
        "status_group": st.sampled_from(["REJECTED", "DELIVERED"]),
        "error_code": st.sampled_from(["BUSY", "X"]),
        "network_id": st.sampled_from(["21910", "219-10", "odd"]),
    }
    return st.fixed_dictionaries(
        {"direction": st.sampled_from(["outbound", "inbound", ""]), "minute": st.integers(0, 59)}, optional=optional
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Share one house; each example has an account of its own."""
    found = World(Path(tmp_path_factory.mktemp("properties")) / "world")
    yield found
    found.close()


def account(world: World, rows: list[dict[str, Any]]) -> Client:
    """Make an account that has these calls."""
    name = f"a{len(world.house.resources.all())}"
    world.run(world.house.resources.create(name))
    client = Client(world, name)
    legs = []
    for place, row in enumerate(rows):
        given = {"leg_id": str(place), **row, "ended_at": END}
        # a call that is answered was not busy, whatever else is said of it
        if given.get("outcome", "answered") != "answered":
            given = {key: value for key, value in given.items() if key not in {"answered_at", "sip_code", "q850_cause"}}
        legs.append(given | {"happened_at": f"2026-11-03T12:{given.pop('minute'):02d}:00Z"})
    client.put("calls", legs)
    return client


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(calls(), min_size=1, max_size=25), dimension=st.sampled_from(DIMENSIONS))
def test_what_must_add_up_adds_up(world: World, rows: list[dict[str, Any]], dimension: str) -> None:
    """Outbound attempts by their outcomes, hang-ups by their kinds, and parts to the whole."""
    client = account(world, rows)
    (whole,) = client.ask(COUNTS).values()
    total = dict(zip(COUNTS, whole, strict=True))
    outbound = ["TOTAL_ANSWERED_CALL_COUNT", "FAILED_CALL_COUNT"]
    answered, failed = client.ask(outbound, directions=["OUTBOUND"]).get((), [0, 0])
    assert total["TOTAL_ATTEMPTED_CALL_COUNT"] == (
        answered + total["BUSY_CALL_COUNT"] + total["NOT_ANSWERED_CALL_COUNT"] + total["CANCELED_CALL_COUNT"] + failed
    )
    assert total["HUNG_UP_COUNT"] == total["NORMAL_HUNG_UP_COUNT"] + total["ERROR_HUNG_UP_COUNT"]
    assert total["TOTAL_CALL_COUNT"] == len(rows)
    summed: Counter[str] = Counter()
    for row in client.ask(COUNTS, [dimension]).values():
        summed.update(dict(zip(COUNTS, row, strict=True)))
    assert {name: summed[name] for name in COUNTS} == total


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(calls(), min_size=1, max_size=25), part=st.sampled_from(["STATUS", "ERROR_CODE", "ERROR_GROUP"]))
def test_a_filter_gives_what_the_split_shows(world: World, rows: list[dict[str, Any]], part: str) -> None:
    """For each value that a dimension of codes has: both work it out alike."""
    client = account(world, rows)
    spelled = {"STATUS": "statuses", "ERROR_CODE": "errorCodes", "ERROR_GROUP": "errorGroups"}[part]
    for (value,), (many,) in client.ask(by=[part]).items():
        assert client.total(**{spelled: [value]}) == many


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(calls(), min_size=1, max_size=25))
def test_no_rate_is_more_than_all(world: World, rows: list[dict[str, Any]]) -> None:
    """They are of outbound calls alone, above and below."""
    client = account(world, rows)
    rates = [name for name in VOICE if WORDS.metrics[name].type == "NUMBER"]
    for row in client.ask(rates, ["CAPABILITY", "COUNTRY_CODE"]).values():
        assert all(0 <= rate <= 1 for rate in row)
