"""What a call leaves unsaid is worked out: outcome, durations, how it ended, whose country."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trunkline.catalogue.facts import Call
from trunkline.outcomes import completed
from trunkline.telemetry.batches import batch, facts_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RUNG = {"seized_at": NOW + timedelta(seconds=1)}
ENDED = {"ended_at": NOW + timedelta(seconds=9)}


def complete(**given: Any) -> Call:
    """Complete a call of which so much is given."""
    rows = completed(batch(Call, [Call(happened_at=NOW, resource="r", leg_id="l", **given)]))
    (found,) = facts_of(Call, rows)
    assert isinstance(found, Call)
    return found


@pytest.mark.parametrize(
    ("given", "dial_ms"),
    [
        ({}, None),
        (ENDED, None),
        (RUNG, 1000.0),
        ({"seized_at": NOW}, None),
        ({"seized_at": NOW - timedelta(seconds=1)}, None),
        ({**RUNG, "dial_ms": 7.0}, 7.0),
        ({"dial_ms": 0.0}, 0.0),
    ],
)
def test_how_long_it_took_to_ring_follows_from_the_times(given: dict[str, Any], dial_ms: float | None) -> None:
    """Where the attempt was guessed from the ringing, nobody knows."""
    assert complete(**given).dial_ms == dial_ms


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({}, ""),
        (RUNG, ""),
        ({"sip_code": 486}, "busy"),
        ({"sip_code": 600}, "busy"),
        ({"q850_cause": 17, "sip_code": 503}, "busy"),
        ({"sip_code": 487, **RUNG}, "no answer"),
        ({"sip_code": 487}, "cancelled"),
        ({"q850_cause": 16, **ENDED}, "cancelled"),
        ({"q850_cause": 16, **ENDED, **RUNG}, "no answer"),
        ({"sip_code": 480, **RUNG}, "no answer"),
        ({"sip_code": 480}, "unavailable"),
        ({"sip_code": 480, "q850_cause": 18}, "no answer"),
        ({"sip_code": 408}, "unavailable"),
        ({"sip_code": 603}, "rejected"),
        ({"q850_cause": 21}, "rejected"),
        ({"sip_code": 404}, "bad number"),
        ({"q850_cause": 28}, "bad number"),
        ({"sip_code": 503}, "failed"),
        ({"q850_cause": 41, **RUNG}, "failed"),
        ({**RUNG, **ENDED}, "no answer"),
        (ENDED, "failed"),
        ({"talk_ms": 5.0}, "answered"),
        ({"sip_code": 404, "outcome": "rejected"}, "rejected"),
    ],
)
def test_an_outcome_follows_from_times_cause_and_code(given: dict[str, Any], outcome: str) -> None:
    """A cause says more than a status, and what is given more than both; a call that runs has none."""
    assert complete(**given).outcome == outcome


@pytest.mark.parametrize(
    ("given", "hang_up"),
    [
        (ENDED, "normal"),
        ({"q850_cause": 16}, "normal"),
        ({"q850_cause": 41}, "error"),
        ({**ENDED, "sip_code": 481}, "error"),
        ({}, ""),
    ],
)
def test_an_answered_call_ends_normally_or_by_an_error(given: dict[str, Any], hang_up: str) -> None:
    """Nothing is said of one that runs."""
    assert complete(answered_at=NOW, **given).hang_up == hang_up


def test_times_give_durations_and_numbers_the_country() -> None:
    """Of the other side, which for an inbound call is who calls."""
    call = complete(
        direction="inbound",
        sender="+385911234567",
        recipient="+18005550199",
        answered_at=NOW + timedelta(seconds=4),
        network_id="21901",
        **RUNG,
        **ENDED,
    )
    assert (call.ring_ms, call.talk_ms) == (3000.0, 5000.0)
    assert (call.country, call.network_source) == ("HR", "given")
    assert complete(direction="outbound", sender="+385911234567", recipient="+14255550123").country == "US"


@pytest.mark.parametrize(
    ("given", "ended_at"),
    [
        ({"talk_ms": 2500.5}, NOW + timedelta(seconds=2.5005)),
        ({"talk_ms": 0.0}, NOW),
        ({"talk_ms": 2500.5, **ENDED}, ENDED["ended_at"]),
        ({"talk_ms": 1e15}, None),
        ({}, None),
    ],
)
def test_answer_and_talk_give_the_end(given: dict[str, Any], ended_at: datetime | None) -> None:
    """Where nobody says it, and within the calendar."""
    assert complete(answered_at=NOW, **given).ended_at == ended_at


def test_a_clock_that_went_back_gives_no_negative_duration() -> None:
    """But none at all."""
    assert complete(answered_at=NOW, ended_at=NOW - timedelta(seconds=1)).talk_ms == 0.0


def test_a_network_is_given_or_the_first_holder_of_the_range_and_marked_so() -> None:
    """What the number tells is never taken for what somebody knew, and goes when a later piece knows it."""
    told = complete(direction="outbound", recipient="+385911234567")
    assert (told.network_name, told.network_source) == ("A1 Telekom", "number range")
    given = complete(direction="outbound", recipient="+385911234567", network_id="21902")
    assert (given.network_name, given.network_source) == ("", "given")
    unknown = complete(direction="outbound", recipient="+14255550123")
    assert (unknown.network_name, unknown.network_source) == ("", "")
