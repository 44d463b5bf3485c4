"""What the vendor says of calls and messages that carry no status of their own: worked out from what became of them.

Source: the page "Response status and error codes"; which of them goes with which SIP status is our choice.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import msgspec

PARTS = ("status_group", "status", "error_group", "error_code")
"""What a code consists of."""
STATES = {"calls": "outcome", "messages": "status"}
"""The column of each fact that says what became of it."""
CARRIED = {"calls": PARTS, "messages": ("status_group", "error_group", "error_code")}
"""The parts that a fact may carry itself, in columns of these names; what it carries counts."""
GROUPS = {
    "status_group": ("PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED"),
    "error_group": ("OK", "HANDSET_ERRORS", "USER_ERRORS", "OPERATOR_ERRORS"),
}
"""The groups that there are."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of facts in a state that have one of some final SIP statuses; without any, of all others."""

    state: str
    sip_codes: tuple[int, ...]
    status_group: str
    status: str
    error_group: str
    error_code: str


@cache
def codes(fact: str) -> tuple[Code, ...]:
    """Return the codes of a kind of fact."""
    text = (files("trunkline.catalogue") / "infobip" / "codes.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(
        Code(state=row["state"], sip_codes=tuple(map(int, row["sip_codes"].split())), **{p: row[p] for p in PARTS})
        for row in rows
        if row["fact"] == fact
    )


@cache
def named(fact: str, state: str) -> tuple[int, ...]:
    """Return the SIP statuses that have codes of their own in a state."""
    return tuple(sip for code in codes(fact) if code.state == state for sip in code.sip_codes)


@cache
def code_for(fact: str, state: str, sip_code: int) -> Code | None:
    """Return what is said of a fact in a state; None for a state that is none."""
    of_state = [code for code in codes(fact) if code.state == state]
    exact = [code for code in of_state if sip_code in code.sip_codes]
    return next(iter([*exact, *(code for code in of_state if not code.sip_codes)]), None)
