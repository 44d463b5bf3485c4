"""Filters as conditions of a question, over calls or over messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trunkline.apis.infobip.facets import CALLS, MESSAGES, networks
from trunkline.apis.infobip.query import Bucket, Query, Value
from trunkline.catalogue.columns import tables
from trunkline.catalogue.countries import code_of
from trunkline.catalogue.infobip.codes import CARRIED, STATES, Code, codes, named
from trunkline.catalogue.rows import DimensionWord, Words
from trunkline.telemetry.questions import Condition, Either

NOTHING = Either(of=())
_SIP = "sip_code"


def conditions(query: Query, words: Words, fact: str, channels: Sequence[str]) -> Iterator[Condition | Either]:
    """Yield what facts must be; `channels` are ours, of messages.

    What a filter is about and a fact never has is met by no fact, but for capabilities: they are about calls alone.
    """
    yield Condition(column="resource", values=query.accounts)
    if fact == MESSAGES:
        yield Condition(column="channel", values=tuple(channels))
    for name, values in query.filters.items():
        row = words.dimensions[name]
        if row.column in tables()[fact] and not row.lacks:
            yield _filter(row, fact, values)
        elif name != "CAPABILITY":
            yield NOTHING
    for name, spans in query.spans.items():
        row = words.dimensions[name]
        yield _spans(row, fact, spans) if row.column in tables()[fact] and not row.lacks else NOTHING
    if query.pairs:
        yield Either(of=tuple(_pair(*pair) for pair in query.pairs))


def _filter(row: DimensionWord, fact: str, values: Sequence[Value]) -> Condition | Either:
    texts = [str(value) for value in values]
    if row.form == "code":
        return _of_code(row.column, fact, texts)
    if row.form == "number":
        numbers = [int(value) for value in values]
        if row.column == "country":
            texts = [code for code in map(code_of, numbers) if code]
        else:
            texts = [text for number in numbers for text in networks(number)]
    elif row.values:
        texts = [row.values.get(text) or text.lower().replace("_", " ") for text in texts]
    return Condition(column=row.column, values=tuple(dict.fromkeys(texts)))


def _of_code(part: str, fact: str, wanted: Sequence[str]) -> Either:
    """Return that a fact carries one of some codes, or carries none and is in a state that they go with."""
    found: list[tuple[Condition, ...]] = []
    silent: tuple[Condition, ...] = ()
    if part in CARRIED[fact]:
        found.append((Condition(column=part, values=tuple(wanted)),))
        silent = (Condition(column=part, values=("",)),)
    found += [(*silent, *_of_state(fact, code)) for code in codes(fact) if getattr(code, part) in wanted]
    return Either(of=tuple(found))


def _of_state(fact: str, code: Code) -> Iterator[Condition]:
    yield Condition(column=STATES[fact], values=(code.state,))
    if code.sip_codes:
        yield Condition(column=_SIP, values=tuple(map(str, code.sip_codes)))
    elif others := named(fact, code.state):
        yield Condition(column=_SIP, values=tuple(map(str, others)), op="is not")


def _spans(row: DimensionWord, fact: str, spans: Sequence[Bucket]) -> Either:
    answered = (Condition(column="answered", values=("true",)),) if fact == CALLS else ()
    return Either(of=tuple((*answered, *_within(row.column, span)) for span in spans))


def _within(column: str, span: Bucket) -> Iterator[Condition]:
    yield Condition(column=column, values=(str(span.since_s * 1000),), op="at least")
    if span.until_s is not None:
        yield Condition(column=column, values=(str(span.until_s * 1000),), op="less than")


def _pair(application: str, entity: str) -> tuple[Condition, ...]:
    pair = (("application_id", application), ("entity_id", entity))
    return tuple(Condition(column=column, values=(value,)) for column, value in pair if value)
