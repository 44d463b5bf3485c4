"""Countries, and the codes of calls and messages that carry none: complete, and each said once."""

from __future__ import annotations

import typing
from collections import Counter

import phonenumbers
import pytest

from trunkline.catalogue.columns import tables
from trunkline.catalogue.countries import code_of, countries
from trunkline.catalogue.facts import Outcome, Status
from trunkline.catalogue.infobip.codes import CARRIED, GROUPS, PARTS, STATES, code_for, codes, named

# numbering plans of territories that ISO 3166-1 gives no number
NO_COUNTRIES = {"AC", "TA", "XK"}
LOST = ("UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED", "OPERATOR_ERRORS")
ALL = {"calls": typing.get_args(Outcome), "messages": typing.get_args(Status)}


def test_every_country_has_a_number_and_a_name_of_its_own() -> None:
    """As ISO 3166-1 lists them."""
    known = countries()
    assert len(known) == 249
    assert len({one.number for one in known.values()}) == len({one.name for one in known.values()}) == 249
    assert all(code_of(one.number) == code == one.code for code, one in known.items())
    assert [known[code].number for code in ("HR", "US", "DE", "AF", "ZW")] == [191, 840, 276, 4, 716]
    assert code_of(4242) == ""


def test_every_country_of_a_phone_number_is_one() -> None:
    """What is taken from a number has a name and a number."""
    assert set(phonenumbers.SUPPORTED_REGIONS) - NO_COUNTRIES <= countries().keys()


@pytest.mark.parametrize("fact", STATES)
def test_whatever_becomes_of_a_fact_has_a_code(fact: str) -> None:
    """Each state once for all final SIP statuses, and once for some of them."""
    assert {code.state for code in codes(fact)} == set(ALL[fact])
    plain = Counter(code.state for code in codes(fact) if not code.sip_codes)
    assert plain == dict.fromkeys(ALL[fact], 1)
    for state in ALL[fact]:
        assert len(named(fact, state)) == len(set(named(fact, state)))
        for sip_code in (0, 200, 403, 486, 503, 999):
            assert code_for(fact, state, sip_code) is not None
    assert code_for(fact, "no such", 0) is None
    assert {STATES[fact], *CARRIED[fact]} <= tables()[fact].keys()


@pytest.mark.parametrize("fact", STATES)
def test_codes_are_of_the_groups_there_are(fact: str) -> None:
    """And none of their parts is empty."""
    for code in codes(fact):
        assert code.status_group in GROUPS["status_group"]
        assert code.error_group in GROUPS["error_group"]
        assert all(getattr(code, part) for part in PARTS)


@pytest.mark.parametrize(
    ("state", "sip_code", "expected"),
    [
        ("answered", 200, ("DELIVERED", "DELIVERED_TO_HANDSET", "OK", "NORMAL_HANGUP")),
        ("busy", 486, ("UNDELIVERABLE", "BUSY", "USER_ERRORS", "BUSY")),
        ("busy", 600, ("UNDELIVERABLE", "BUSY", "USER_ERRORS", "BUSY")),
        ("no answer", 480, ("UNDELIVERABLE", "NO_ANSWER", "USER_ERRORS", "NO_ANSWER")),
        ("unavailable", 408, ("UNDELIVERABLE", "NO_ANSWER", "USER_ERRORS", "NO_ANSWER")),
        ("cancelled", 487, ("UNDELIVERABLE", "CANCELLED", "USER_ERRORS", "CANCELLED")),
        ("rejected", 603, ("REJECTED", "REJECTED", "USER_ERRORS", "REJECTED")),
        ("rejected", 403, ("REJECTED", "REJECTED", "OPERATOR_ERRORS", "FORBIDDEN")),
        (
            "bad number",
            404,
            (*LOST, "DESTINATION_NOT_FOUND"),
        ),
        ("bad number", 484, (*LOST, "INVALID_DESTINATION")),
        ("failed", 503, (*LOST, "SERVICE_UNAVAILABLE")),
    ],
)
def test_a_sip_status_means_what_the_vendor_says(state: str, sip_code: int, expected: tuple[str, ...]) -> None:
    """By what became of the call, and by its final status."""
    found = code_for("calls", state, sip_code)
    assert found is not None
    assert tuple(getattr(found, part) for part in PARTS) == expected
