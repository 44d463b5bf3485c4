"""The filter of health events: what it means, and that no text makes it fail."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.apis.azure.event_filter import read_filter, read_moment
from trunkline.errors import InvalidError

EVENT: dict[str, Any] = {
    "name": "0A1B-2C3D",
    "properties": {
        "eventType": "ServiceIssue",
        "eventSource": "ResourceHealth",
        "status": "Active",
        "title": "It's on",
        "level": "Critical",
        "eventLevel": "Critical",
        "lastUpdateTime": "2026-11-21T12:00:00.000Z",
        "impactStartTime": "2026-11-21T11:00:00.000Z",
        "impact": [{"impactedService": "Chat", "impactedRegions": [{"impactedRegion": "global"}]}],
    },
}
WORDS = [
    "status",
    "service",
    "colour",
    "eq",
    "ne",
    "ge",
    "and",
    "or",
    "'Active'",
    "'Chat'",
    "'",
    "(",
    "7/24/2020",
    "''",
]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("status eq 'active'", True),
        ("STATUS NE 'Active'", False),
        ("properties/status eq 'Active' and service eq 'SMS'", False),
        ("service eq 'SMS' or service eq 'Chat'", True),
        ("service eq 'Chat' or status eq 'x' and status eq 'y'", True),
        ("region ne 'Global'", False),
        ("title eq 'It''s on'", True),
        ("trackingId eq '0a1b-2c3d'", True),
        ("lastUpdateTime ge 2026-11-21T12:00:00Z", True),
        ("lastUpdateTime gt '2026-11-21T12:00:00Z'", False),
        ("impactStartTime lt datetime'11/22/2026'", True),
        ("impactMitigationTime ge 2020-01-01", False),
        ("impactMitigationTime ne 2020-01-01", True),
    ],
)
def test_a_filter_means_what_it_says(text: str, holds: bool) -> None:
    """`and` before `or`; texts without regard to case; what is not known is neither before nor after."""
    assert read_filter(text)(EVENT) is holds


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "status",
        "status eq",
        "status eq Active",
        "status eq 'a",
        "status eq 'a' or",
        "status eq 'a' xor status eq 'b'",
        "(status eq 'a')",
        "colour eq 'red'",
        "status lt 'a'",
        "lastUpdateTime eq 'soon'",
        "status eq 'a'" + " or status eq 'a'" * 200,
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    """With a sentence that says what one is."""
    with pytest.raises(InvalidError, match=r"\$filter|queryStartTime|moment"):
        read_filter(text)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_no_text_makes_it_fail(text: str) -> None:
    """It is read, or refused."""
    with suppress(InvalidError):
        assert read_filter(text)(EVENT) in {True, False}
    with suppress(InvalidError):
        read_moment(text, "queryStartTime")
