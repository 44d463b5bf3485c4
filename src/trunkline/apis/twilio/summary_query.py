"""Which summaries are asked for: every filter of the list, read into our conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from trunkline.api.exchange import Exchange
from trunkline.apis.twilio.annotations import score, word_of
from trunkline.apis.twilio.errors import bad, bad_query
from trunkline.apis.twilio.forms import truth
from trunkline.catalogue.twilio.words import Case, words
from trunkline.clock import EPOCH, parse_rfc3339
from trunkline.numbering import calling_prefixes
from trunkline.services.annotations import Annotation
from trunkline.telemetry.questions import Condition, Either

Where = Condition | Either
ORDERS = {"start_time": "happened_at", "end_time": "ended_at"}
STATES = {"completed": "complete", "started": "partial", "partial": "partial", "all": ""}
_RELATIVE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_USUAL = {"StartTime": "4h", "EndTime": "0m"}
_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)
_MARKS = re.compile(r"[*%?]")
_SIDES = {"From": "sender", "To": "recipient"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: calls of [start, end) that meet conditions, in an order; and what must be said of them."""

    start: datetime
    end: datetime
    where: tuple[Where, ...]
    order: str
    said: tuple[Callable[[Annotation], bool], ...]


def read_query(exchange: Exchange) -> Wanted:
    """Read the filters; raises InvalidError naming the parameter."""
    query = exchange.query
    start, end = (_moment(exchange, name) for name in _USUAL)
    where: list[Where] = []
    for name in query:
        where += _FILTERS[name](query[name]) if name in _FILTERS else []
    where += _processing(query.get("processingstate"), is_state_asked="callstate" in query)
    order = query.get("sortby", "start_time")
    if order not in ORDERS:
        raise bad("SortBy", f"it is one of {', '.join(ORDERS)}.")
    said = tuple(_SAID[name](query[name]) for name in query if name in _SAID)
    return Wanted(start=start, end=end, where=tuple(where), order=ORDERS[order], said=said)


def _moment(exchange: Exchange, name: str) -> datetime:
    text = exchange.query.get(name.lower(), _USUAL[name])
    try:
        if found := _RELATIVE.fullmatch(text):
            return max(EPOCH, exchange.at - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))}))
        return max(EPOCH, parse_rfc3339(text.replace(" ", "+")))  # a plus that was not encoded
    except OverflowError:
        return EPOCH
    except ValueError as error:
        raise bad_query(name, "it is how long ago (30m, 3h, 3d, 4w) or an ISO 8601 moment.") from error


# --- conditions ---


def is_one_of(column: str, *values: str, fold: bool = False) -> Condition:
    """Return the condition that a column is any of some values."""
    return Condition(column=column, values=values, fold=fold)


def is_none_of(column: str, *values: str) -> Condition:
    """Return the condition that a column is none of some values."""
    return Condition(column=column, values=values, op="is not")


def case_conditions(case: Case) -> tuple[Condition, ...]:
    """Return the conditions under which a case holds."""
    return (
        *(is_one_of(column, *values) for column, values in case.where.items()),
        *(is_none_of(column, *values) for column, values in case.unless.items()),
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _by_case(name: str, kind: str) -> Callable[[str], list[Where]]:
    cases = words().cases[kind]

    def read(text: str) -> list[Where]:
        wanted = _listed(text)
        if not set(wanted) <= set(cases):
            raise bad(name, f"it is one of {', '.join(cases)}, or several with commas.")
        return [Either(of=tuple(case_conditions(cases[one]) for one in wanted))]

    return read


def _by_text(name: str, column: str) -> Callable[[str], list[Where]]:
    def read(text: str) -> list[Where]:
        _check_plain(name, text)
        return [is_one_of(column, text, fold=True)]

    return read


def _by_truth(name: str, column: str) -> Callable[[str], list[Where]]:
    return lambda text: [is_one_of(column, "true") if truth(name, text) else is_none_of(column, "true")]


def _check_plain(name: str, text: str) -> None:
    if not text or _MARKS.search(text):
        raise bad_query(name, "it is one value, and no pattern: there are no wildcards.")


def _of_party(name: str) -> Callable[[str], list[Where]]:
    def read(text: str) -> list[Where]:
        _check_plain(name, text)
        if text.isdigit():
            raise bad_query(name, "numbers are E.164 (+15551234567), others sip:user@domain or client:name.")
        bare = re.sub(r"^(client|sip|sips|whatsapp):", "", text)
        return [is_one_of(_SIDES[name], *dict.fromkeys((text, bare)))]

    return read


def _is_other(name: str) -> Condition:
    """Return the condition that a side of a call is the one that is not the account's own."""
    return is_one_of("direction", "inbound") if name == "From" else is_none_of("direction", "inbound")


def _is_own(name: str) -> Condition:
    return is_none_of("direction", "inbound") if name == "From" else is_one_of("direction", "inbound")


def _of_carrier(name: str) -> Callable[[str], list[Where]]:
    given = f"extra.{_SIDES[name]}_network_name"

    def read(text: str) -> list[Where]:
        _check_plain(f"{name}Carrier", text)
        other = (_is_other(name), is_one_of(given, ""), is_one_of("network_name", text, fold=True))
        return [Either(of=(other, (is_one_of(given, text, fold=True),)))]

    return read


def _of_country(name: str) -> Callable[[str], list[Where]]:
    given = f"extra.{_SIDES[name]}_country"

    def read(text: str) -> list[Where]:
        if not _COUNTRY.fullmatch(text):
            raise bad_query(f"{name}CountryCode", "it is the two letters of a country.")
        country = text.upper()
        own = Condition(column=_SIDES[name], values=calling_prefixes(country), op="starts")
        return [
            Either(
                of=(
                    (_is_other(name), is_one_of(given, ""), is_one_of("country", country)),
                    (_is_own(name), is_one_of(given, ""), own),
                    (is_one_of(given, country, fold=True),),
                )
            )
        ]

    return read


def _abnormal(text: str) -> list[Where]:
    """Tell sessions whose last answer was another one than 200; of those without an answer nothing is known."""
    is_abnormal = truth("AbnormalSession", text)
    return [is_none_of("sip_code", "200", "0") if is_abnormal else is_one_of("sip_code", "200", "0")]


def _tagged(text: str) -> list[Where]:
    known = [f"tags.{name}" for name in (*words().tags.values(), *words().sdk_tags.values())]
    if truth("HasTag", text):
        return [Either(of=tuple((is_none_of(name, ""),) for name in known))]
    return [is_one_of(name, "") for name in known]


def _processing(text: str | None, *, is_state_asked: bool) -> list[Where]:
    """Return whether calls that run are wanted: those that ended, unless told otherwise or by a state of others."""
    if text is None and is_state_asked:
        return []
    state = STATES.get(text or "completed")
    if state is None:
        raise bad("ProcessingState", f"it is one of {', '.join(STATES)}.")
    return list(case_conditions(words().cases["processing_state"][state])) if state else []


def _filters() -> Iterable[tuple[str, Callable[[str], list[Where]]]]:
    filters = words().filters
    yield "HasTag", _tagged
    yield "AbnormalSession", _abnormal
    for name in _SIDES:
        yield name, _of_party(name)
        yield f"{name}Carrier", _of_carrier(name)
        yield f"{name}CountryCode", _of_country(name)
    for kind, make in (("case", _by_case), ("text", _by_text), ("truth", _by_truth)):
        for name, about in filters[kind].items():
            yield name, make(name, about)


# --- what is said of calls ---


def _saying(name: str, part: str) -> Callable[[str], Callable[[Annotation], bool]]:
    def read(text: str) -> Callable[[Annotation], bool]:
        wanted = {word_of(part, name, one) for one in _listed(text)}
        if part == "quality_issues":
            return lambda said: bool(wanted.intersection(said.quality_issues))
        return lambda said: getattr(said, part) in wanted

    return read


def _saying_spam(text: str) -> Callable[[Annotation], bool]:
    wanted = truth("SpamAnnotation", text)
    return lambda said: said.spam is wanted


def _scoring(text: str) -> Callable[[Annotation], bool]:
    wanted = {score("CallScoreAnnotation", one) for one in _listed(text)}
    return lambda said: said.call_score in wanted


_FILTERS: dict[str, Callable[[str], list[Where]]] = {name.lower(): read for name, read in _filters()}
_SAID: dict[str, Callable[[str], Callable[[Annotation], bool]]] = {
    "spamannotation": _saying_spam,
    "callscoreannotation": _scoring,
    **{name.lower(): _saying(name, part) for name, part in words().filters["said"].items()},
}
