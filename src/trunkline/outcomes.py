"""What records of calls and messages leave unsaid: outcome, durations, country, worked out from the rest.

They are worked out for many at once, a column at a time. The classes of SIP statuses and Q.850 causes follow
RFC 6076, E.437 and RFC 3398.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trunkline.clock import microseconds
from trunkline.numbering import country_of, network_of

_BUSY, _NO_ANSWER, _REJECTED, _BAD_NUMBER = "busy", "no answer", "rejected", "bad number"
_UNAVAILABLE, _CANCELLED, _FAILED, _ANSWERED = "unavailable", "cancelled", "failed", "answered"
_CAUSES: Mapping[str, Sequence[int]] = {
    _BAD_NUMBER: (1, 22, 28),
    _BUSY: (17,),
    _NO_ANSWER: (18, 19),
    _UNAVAILABLE: (20,),
    _REJECTED: (21,),
}
_STATUSES: Mapping[str, Sequence[int]] = {
    _BUSY: (486, 600),
    _REJECTED: (403, 603, 607, 608),
    _BAD_NUMBER: (404, 410, 484, 604),
}
# what the caller or nobody ended: it depends on whether it rang
_CLEARED = (16, 31)
_GIVEN_UP = (487,)
_SILENCE = (408, 480)
_LOST = (408, 481)
_OK = 200
_OUT_OF_ORDER = 34
_LATEST_US = microseconds(datetime.max.replace(tzinfo=UTC))
DERIVED = "derived"
"""Where `older` says which columns were worked out."""


def completed(rows: Any) -> Any:
    """Return a table of calls or messages with what can be worked out from each row; what is given is kept."""
    found = _of_people(rows)
    if "leg_id" in rows.column_names:
        found |= _of_calls(rows)
    derived = []
    for name, values in found.items():
        place = rows.column_names.index(name)
        given = rows.column(place)
        differs = pc.or_kleene(pc.not_equal(values, given), pc.and_(pc.is_valid(values), pc.is_null(given)))
        differs = pc.fill_null(differs, False)
        derived.append(_if(differs, f"{name} ", ""))
        rows = rows.set_column(place, rows.schema.field(place), values)
    text = pc.utf8_rtrim(pc.binary_join_element_wise(*derived, ""), " ")
    place = rows.column_names.index("older")
    return rows.set_column(place, rows.schema.field(place), _noted(rows.column(place), text))


def _of_calls(rows: Any) -> dict[str, Any]:
    talk_ms, outcome, code, cause = (rows.column(name) for name in ("talk_ms", "outcome", "sip_code", "q850_cause"))
    seized_at, answered_at, ended_at = (rows.column(name) for name in ("seized_at", "answered_at", "ended_at"))
    is_over = _any(
        pc.is_valid(ended_at), _is(outcome), pc.is_valid(talk_ms), pc.greater(code, _OK), pc.not_equal(cause, 0)
    )
    talked = pc.fill_null(pc.not_equal(talk_ms, 0), False)
    was_answered = _any(pc.is_valid(answered_at), pc.equal(outcome, _ANSWERED), talked, pc.equal(code, _OK))
    answered = pc.coalesce(rows.column("answered"), was_answered)
    has_rung = _any(
        answered, pc.is_valid(seized_at), pc.is_valid(rows.column("ring_ms")), pc.equal(outcome, _NO_ANSWER)
    )
    seized = pc.coalesce(rows.column("seized"), has_rung)
    ended = _if(answered, _ANSWERED, _unanswered(code, cause, seized))
    broken = _any(pc.greater_equal(cause, _OUT_OF_ORDER), _among(code, _LOST))
    hung_up = pc.and_(answered, is_over)
    return {
        "call_id": _or(rows.column("call_id"), rows.column("leg_id")),
        "answered": answered,
        "seized": seized,
        "ring_ms": pc.coalesce(rows.column("ring_ms"), _between_ms(seized_at, pc.coalesce(answered_at, ended_at))),
        "talk_ms": pc.coalesce(talk_ms, _between_ms(answered_at, ended_at)),
        "ended_at": pc.coalesce(ended_at, _after(answered_at, talk_ms)),
        "dial_ms": pc.coalesce(rows.column("dial_ms"), _dialled_ms(rows.column("happened_at"), seized_at)),
        "outcome": _or(outcome, _if(is_over, ended, "")),
        "hang_up": _or(rows.column("hang_up"), _if(hung_up, _if(broken, "error", "normal"), "")),
    }


def _unanswered(code: Any, cause: Any, rang: Any) -> Any:
    """Return why calls that are over were not answered; a cause says more than a status."""
    choices = [(_among(cause, causes), _text(name)) for name, causes in _CAUSES.items()]
    cleared = _any(_among(cause, _CLEARED), _among(code, _GIVEN_UP))
    choices.append((cleared, _if(rang, _NO_ANSWER, _CANCELLED)))
    choices.append((_among(code, _SILENCE), _if(rang, _NO_ANSWER, _UNAVAILABLE)))
    choices += [(_among(code, codes), _text(name)) for name, codes in _STATUSES.items()]
    silent = pc.and_(pc.and_(pc.equal(code, 0), pc.equal(cause, 0)), rang)
    choices.append((silent, _text(_NO_ANSWER)))
    found = _text(_FAILED)
    for condition, value in reversed(choices):
        found = pc.if_else(condition, value, found)
    return found


def _of_people(rows: Any) -> dict[str, Any]:
    """Work out the other side's country and network, and how that is known."""
    is_inbound = pc.equal(rows.column("direction"), "inbound")
    other = pc.if_else(is_inbound, rows.column("sender"), rows.column("recipient"))
    is_given = _any(_is(rows.column("network_id")), _is(rows.column("network_name")))
    holder = _told(pc.if_else(is_given, "", other), network_of)
    return {
        "country": _or(rows.column("country"), _told(pc.if_else(_is(rows.column("country")), "", other), country_of)),
        "network_name": _or(rows.column("network_name"), holder),
        "network_source": _or(
            rows.column("network_source"), _if(is_given, "given", _if(_is(holder), "number range", ""))
        ),
    }


def _told(numbers: Any, tell: Callable[[str], str]) -> Any:
    """Return what is told of numbers; each number is looked at once."""
    encoded = pa.chunked_array(numbers).combine_chunks().dictionary_encode()
    known = pa.array([tell(number) if number else "" for number in encoded.dictionary.to_pylist()], pa.string())
    return known.take(encoded.indices)


def _noted(older: Any, derived: Any) -> Any:
    """Return the column `older` with what was worked out noted in it."""
    older, derived = (column.combine_chunks() for column in (older, derived))
    if len(older.keys) == 0:
        has_any = pc.not_equal(derived, "")
        offsets = pc.cumulative_sum(pc.cast(has_any, pa.int32()))
        texts = derived.filter(has_any)
        names = pa.array([DERIVED] * len(texts), pa.string())
        return pa.MapArray.from_arrays(pa.concat_arrays([pa.array([0], pa.int32()), offsets]), names, texts)
    noted = [
        [*(entry for entry in entries if entry[0] != DERIVED), *([(DERIVED, text)] if text else [])]
        for entries, text in zip(older.to_pylist(), derived.to_pylist(), strict=True)
    ]
    return pa.array(noted, older.type)


# --- columns ---


def _is(column: Any) -> Any:
    return pc.not_equal(column, "")


def _or(column: Any, other: Any) -> Any:
    return pc.if_else(_is(column), column, other)


def _if(condition: Any, yes: Any, no: Any) -> Any:
    return pc.if_else(condition, yes, no)


def _any(first: Any, *more: Any) -> Any:
    found = first
    for one in more:
        found = pc.or_(found, one)
    return found


def _among(column: Any, values: Iterable[int]) -> Any:
    return pc.is_in(column, value_set=pa.array(values, pa.int64()))


def _text(value: str) -> Any:
    return pa.scalar(value, pa.string())


def _dialled_ms(attempted_at: Any, seized_at: Any) -> Any:
    """Return how long it took to ring; null where the attempt is not known and stands at the ringing."""
    span_ms = _between_ms(attempted_at, seized_at)
    return _if(pc.greater(span_ms, 0), span_ms, pa.scalar(None, pa.float64()))


def _after(moment: Any, lasted_ms: Any) -> Any:
    """Return the moment so long after another; null where one is, and beyond the calendar."""
    lasted_us = pc.cast(pc.round(pc.multiply(lasted_ms, 1000.0)), pa.int64())
    end_us = pc.add(pc.cast(moment, pa.int64()), lasted_us)
    return pc.cast(_if(pc.less_equal(end_us, _LATEST_US), end_us, pa.scalar(None, pa.int64())), moment.type)


def _between_ms(first: Any, last: Any) -> Any:
    """Return the milliseconds from one moment to the next, 0 if they are the wrong way round; null if one is."""
    span_us = pc.cast(pc.subtract(last, first), pa.int64())
    return pc.divide(pc.cast(pc.max_element_wise(span_us, 0, skip_nulls=False), pa.float64()), 1000.0)
