"""What a record of a call or a message leaves unsaid: outcome, durations, country, worked out from the rest.

The classes of SIP statuses and Q.850 causes follow RFC 6076, E.437 and RFC 3398.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from trunkline.catalogue.facts import Call, Fact, Message
from trunkline.numbering import country_of

_BUSY, _NO_ANSWER, _REJECTED, _BAD_NUMBER = "busy", "no answer", "rejected", "bad number"
_UNAVAILABLE, _CANCELLED, _FAILED = "unavailable", "cancelled", "failed"
_CAUSES: Mapping[int, str] = {
    **dict.fromkeys((1, 22, 28), _BAD_NUMBER),
    17: _BUSY,
    **dict.fromkeys((18, 19), _NO_ANSWER),
    20: _UNAVAILABLE,
    21: _REJECTED,
}
_STATUSES: Mapping[int, str] = {
    **dict.fromkeys((486, 600), _BUSY),
    **dict.fromkeys((403, 603, 607, 608), _REJECTED),
    **dict.fromkeys((404, 410, 484, 604), _BAD_NUMBER),
}
# what the caller or nobody ended: it depends on whether it rang
_CLEARED = (16, 31)
_GIVEN_UP = 487
_SILENCE = (408, 480)
_LOST = (408, 481)
_OK = 200
_OUT_OF_ORDER = 34
DERIVED = "derived"
"""Where `older` says which columns were worked out."""


def completed(fact: Fact) -> Fact:
    """Return a record with what can be worked out from it; what is given is kept."""
    if isinstance(fact, Call):
        found = _of_call(fact)
    elif isinstance(fact, Message):
        found = _of_person(fact)
    else:
        return fact
    found = {name: value for name, value in found.items() if value != getattr(fact, name)}
    if not found:
        return fact
    return msgspec.structs.replace(fact, **found, older={**fact.older, DERIVED: " ".join(found)})


def _of_call(call: Call) -> dict[str, Any]:
    found = _of_person(call)
    if not call.call_id:
        found["call_id"] = call.leg_id
    answered = _answered(call) if call.answered is None else call.answered
    rang = _rang(call, answered=answered) if call.seized is None else call.seized
    found |= {"answered": answered, "seized": rang}
    if call.ring_ms is None:
        found["ring_ms"] = _between(call.seized_at, call.answered_at or call.ended_at)
    if call.talk_ms is None:
        found["talk_ms"] = _between(call.answered_at, call.ended_at)
    if not call.outcome and _is_over(call):
        found["outcome"] = "answered" if answered else _unanswered(call, rang=rang)
    if not call.hang_up and answered and _is_over(call):
        broken = call.q850_cause >= _OUT_OF_ORDER or call.sip_code in _LOST
        found["hang_up"] = "error" if broken else "normal"
    return found


def _of_person(fact: Call | Message) -> dict[str, Any]:
    found = {}
    if not fact.country:
        other = fact.sender if fact.direction == "inbound" else fact.recipient
        found["country"] = country_of(other)
    if not fact.network_source and (fact.network_id or fact.network_name):
        found["network_source"] = "given"
    return found


def _answered(call: Call) -> bool:
    return bool(call.answered_at or call.outcome == "answered" or call.talk_ms or call.sip_code == _OK)


def _rang(call: Call, *, answered: bool) -> bool:
    return bool(answered or call.seized_at or call.ring_ms is not None or call.outcome == _NO_ANSWER)


def _is_over(call: Call) -> bool:
    return bool(call.ended_at or call.outcome or call.talk_ms is not None or call.sip_code > _OK or call.q850_cause)


def _unanswered(call: Call, *, rang: bool) -> str:
    """Return why a call that is over was not answered; a cause says more than a status."""
    if call.q850_cause in _CAUSES:
        return _CAUSES[call.q850_cause]
    if call.q850_cause in _CLEARED or call.sip_code == _GIVEN_UP:
        return _NO_ANSWER if rang else _CANCELLED
    if call.sip_code in _SILENCE:
        return _NO_ANSWER if rang else _UNAVAILABLE
    if call.sip_code in _STATUSES:
        return _STATUSES[call.sip_code]
    if not call.sip_code and not call.q850_cause and rang:
        return _NO_ANSWER
    return _FAILED


def _between(first: datetime | None, last: datetime | None) -> float | None:
    if first is None or last is None:
        return None
    return max(0.0, (last - first).total_seconds() * 1000)
