"""Dimensions as facets of a question: which columns they are split by, and how what stands there is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from trunkline.apis.infobip.query import NOT_AVAILABLE, VOICE, bucket_name
from trunkline.catalogue.columns import tables
from trunkline.catalogue.countries import countries
from trunkline.catalogue.infobip.codes import CARRIED, STATES, code_for
from trunkline.catalogue.rows import DimensionWord
from trunkline.telemetry.questions import Ranges

Cell = str | int
Split = str | Ranges
CALLS, MESSAGES = "calls", "messages"
_CHANNEL = "channel"
_NAMES = {
    VOICE: "Voice and Video",
    "SMS": "SMS",
    "EMAIL": "Email",
    "FACEBOOK": "Facebook Messenger",
    "INSTAGRAM": "Instagram Messaging",
    "KAKAO": "Kakao",
    "LINE": "Line",
    "MMS": "MMS",
    "RCS": "RCS",
    "TELEGRAM": "Telegram",
    "VIBER": "Viber",
    "WHATSAPP": "WhatsApp",
    "ZALO": "Zalo",
    "APPLE_MB": "Apple Messages for Business",
}


class Facet(msgspec.Struct, frozen=True):
    """One dimension: the columns that it is split by, and how a cell is written from what they hold."""

    columns: tuple[Split, ...]
    write: Callable[[Sequence[str]], Cell]


def facet(row: DimensionWord, fact: str, channels: Mapping[str, str], keys: Mapping[str, str]) -> Facet:
    """Return how a dimension of a fact is asked for and written.

    `channels` are the vendor's codes of the fact's channels by what stands in the column, `keys` the accounts' keys by
    their names.
    """
    if row.column == _CHANNEL:
        return _channel(row, fact, channels)
    if row.lacks or row.column not in tables()[fact] or (row.only and not {*row.only} & {*channels.values()}):
        return Facet((), _never)
    if row.ranges_s:
        return _ranges(row, fact)
    if row.form == "code":
        return _code(row.column, fact)
    plain = Facet((row.column,), partial(_plain, _writer(row, keys)))
    if row.only and fact == MESSAGES:
        return Facet((row.column, _CHANNEL), partial(_only, {*row.only}, channels, plain.write))
    return plain


def _channel(row: DimensionWord, fact: str, channels: Mapping[str, str]) -> Facet:
    shown = _NAMES if row.form == "name" else {}
    if fact == CALLS:
        return Facet((), lambda _: shown.get(VOICE, VOICE))
    return Facet((_CHANNEL,), lambda values: shown.get(channels[values[0]], channels[values[0]]))


def _never(_values: Sequence[str]) -> Cell:
    return NOT_AVAILABLE


def _plain(write: Callable[[str], Cell], values: Sequence[str]) -> Cell:
    return write(values[0]) if values[0] else NOT_AVAILABLE


def _only(
    only: set[str], channels: Mapping[str, str], write: Callable[[Sequence[str]], Cell], values: Sequence[str]
) -> Cell:
    return write(values[:1]) if channels[values[1]] in only else NOT_AVAILABLE


def _writer(row: DimensionWord, keys: Mapping[str, str]) -> Callable[[str], Cell]:
    """Return how a text that is not empty is written."""
    if row.form == "key":
        return lambda text: keys.get(text, text)
    if row.form == "domain":
        return lambda text: text.rpartition("@")[2] if "@" in text else NOT_AVAILABLE
    if row.column == "country" and row.form:
        return _country_number if row.form == "number" else _country_name
    if row.form == "number":
        return _network_number
    if row.type == "INTEGER":
        return lambda text: int(text) if _is_number(text) else text
    if row.values:
        shown = {ours: word for word, ours in row.values.items()}
        return lambda text: shown.get(text) or text.upper().replace(" ", "_")
    return str


def _country_number(code: str) -> Cell:
    known = countries().get(code)
    return known.number if known else NOT_AVAILABLE


def _country_name(code: str) -> Cell:
    known = countries().get(code)
    return known.name if known else code


def _network_number(text: str) -> Cell:
    """Write a network as its MCC times 1000 and its MNC; what is none as it is."""
    digits = text.replace("-", "").replace("/", "").replace(" ", "")
    return int(digits[:3]) * 1000 + int(digits[3:]) if _is_number(digits) and len(digits) in {5, 6} else text


def networks(number: int) -> tuple[str, ...]:
    """Return how the network of a number may be written in a fact."""
    mcc, mnc = divmod(number, 1000)
    tails = [f"{mnc:03d}", *([f"{mnc:02d}"] if mnc < 100 else [])]
    return tuple(f"{mcc:03d}{between}{tail}" for tail in tails for between in ("", "-", "/", " "))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


# --- ranges of time ---


def label(begins_s: Sequence[int], number: int) -> str:
    """Return what the range of a number is called: the buckets from which and to which it goes, as in filters."""
    first = bucket_name(begins_s[number])
    return f"{first}-{bucket_name(begins_s[number + 1])}" if number + 1 < len(begins_s) else f"{first}+"


def _ranges(row: DimensionWord, fact: str) -> Facet:
    labels = [label(row.ranges_s, number) for number in range(len(row.ranges_s))]
    ranges = Ranges(column=row.column, begins=tuple(second * 1000.0 for second in row.ranges_s))
    if fact == CALLS:  # how long a call rang is the time to its answer only if it was answered
        return Facet((ranges, "answered"), lambda values: _labelled(labels, values[0], is_known=values[1] == "true"))
    return Facet((ranges,), lambda values: _labelled(labels, values[0], is_known=True))


def _labelled(labels: Sequence[str], number: str, *, is_known: bool) -> Cell:
    return labels[int(number)] if is_known and int(number) >= 0 else NOT_AVAILABLE


# --- codes ---


def _code(part: str, fact: str) -> Facet:
    """Return a part of the code of a fact: what it carries itself, else what goes with its state."""
    state: list[Split] = [STATES[fact], *(["sip_code"] if fact == CALLS else [])]
    if part in CARRIED[fact]:
        return Facet((part, *state), lambda values: values[0] or _derived(fact, part, values[1:]))
    return Facet(tuple(state), lambda values: _derived(fact, part, values))


def _derived(fact: str, part: str, values: Sequence[str]) -> Cell:
    code = code_for(fact, values[0], int(values[1]) if len(values) > 1 else 0)
    return str(getattr(code, part)) if code else NOT_AVAILABLE


def channel_codes(row: DimensionWord, asked: Iterable[str]) -> dict[str, str]:
    """Return the vendor's codes of some channels by what stands in our column."""
    return {row.values[code]: code for code in asked}
