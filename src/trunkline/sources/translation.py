"""Rows of log tables become facts, by what the catalogue says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import msgspec

from trunkline.catalogue.columns import Column, columns, tables
from trunkline.catalogue.exports import Becoming, Given, column_of, filled, read
from trunkline.catalogue.facts import LogLine
from trunkline.catalogue.load import load
from trunkline.sources.exported import Exported, WrongError
from trunkline.sources.rules import read_as

Made = dict[str, Any]
TABLE = "log_table"
"""Where a fact names the log table that it came from: a column of a line, an entry of `extra` of the rest."""
_EXTRA, _FOREIGN = "extra", "foreign_ids"
_LONGEST_ENTRY = 2000
_LONGEST_ID = 200
_LONGEST_TEXT = 8000
_LONGEST_BODY = 32_000
_CUT = 1000
"""To so many characters the longest values of a row are cut that is too long as a whole."""


def made(row: Exported, fact: str) -> Iterator[Made]:
    """Yield the facts of a kind that a row becomes, as they would be posted; raises WrongError."""
    if fact == LogLine.table:
        yield _line(row)
        return
    texts = {name: _text(value) for name, value in row.values.items()}
    for one in row.table.facts:
        if one.fact == fact and all(texts.get(name) for name in one.needs) and _meets(one.when, texts):
            yield _fact(row, one, texts)


def _fact(row: Exported, one: Becoming, texts: Mapping[str, str]) -> Made:
    found: Made = {_EXTRA: {TABLE: row.table.name}}
    for name, given in one.columns.items():
        column = column_of(one.fact, name)
        value = _value(column, given, texts) if column is not None else None
        head, _, entry = name.partition(".")
        if value is None:
            if given.needed:
                raise WrongError(
                    " or ".join(given.sources), f"The row does not tell the {name} of {one.fact}.", is_of_fact=True
                )
        elif entry:
            found.setdefault(head, {})[entry] = value[:_LONGEST_ENTRY]
        else:
            found[name] = value
    if "service" in tables()[one.fact]:
        found["operation"] = _operation(found["service"], found["operation"])
    return found


def _value(column: Column, given: Given, texts: Mapping[str, str]) -> Any:
    """Return what a row says for a column, None if nothing; raises WrongError."""
    if not _meets(given.when, texts) or (given.unless and _meets(given.unless, texts)):
        return None
    source, text = "", given.constant
    for source in given.sources:
        if text := filled(source, texts):
            break
    text = _worded(given, text)
    if not text or (given.pattern and not re.fullmatch(given.pattern, text)):
        return None
    try:
        if column.is_map:
            return _scaled(given, text)
        if column.of is datetime:
            return _moment(column, given, text, texts)
        if given.scale or given.rounded:
            text = _scaled(given, text)
        return read_as(column, text)
    except (ValueError, OverflowError) as error:
        raise WrongError(given.after or source, str(error), is_of_fact=True) from None


def _worded(given: Given, text: str) -> str:
    if not given.words or not text:
        return text
    word = _plain(text)
    found = (value for name, value in given.words.items() if fnmatchcase(word, _plain(name)))
    return next(found, text if given.keeps else "")


def _scaled(given: Given, text: str) -> str:
    if not (given.scale or given.rounded):
        return text
    number = float(text) * (given.scale or 1.0)
    return str(round(number)) if given.rounded else f"{number:.12g}"


def _moment(column: Column, given: Given, text: str, texts: Mapping[str, str]) -> datetime | None:
    moment: datetime = read_as(column, text)
    seconds = given.plus_s
    if given.after:
        if not (span := texts.get(given.after)):
            return None
        seconds += float(span) * given.unit_s
    return moment.astimezone(UTC) + timedelta(seconds=seconds)


def _meets(when: Mapping[str, tuple[str, ...]], texts: Mapping[str, str]) -> bool:
    """Tell whether each column holds one of its words."""
    return all(
        any(fnmatchcase(_plain(texts.get(name, "")), _plain(word)) for word in words) for name, words in when.items()
    )


def _plain(text: str) -> str:
    return text.replace(" ", "").casefold()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return _encoded(value)


@cache
def _operations(service: str) -> dict[str, str]:
    known = load().services.get(service)
    return {_plain(name): name for name in known.operations} if known is not None else {}


def _operation(service: str, name: str) -> str:
    """Return an operation by its name in the catalogue, which may have spaces where a log has none."""
    return _operations(service).get(_plain(name), name)


# --- lines ---


def _line(row: Exported) -> Made:
    """Return a row as a line of a log: found by every id in it, and with all that it has."""
    told, levels = read().forms.told, read().forms.levels
    texts = {name: _text(value) for name, value in row.values.items()}
    words = [texts[name] for name in told.text if texts.get(name)]
    level = levels.get(texts.get(told.level, "").casefold(), "")
    found: Made = {
        "happened_at": row.moment,
        "source": "import",
        TABLE: row.table.name,
        "level": level or _level_of(texts.get(told.status, "")),
        "operation": texts.get(told.operation, "")[:_LONGEST_ID],
        "text": (" ".join(words) or row.table.name)[:_LONGEST_TEXT],
        "body": _body(row.values),
    }
    for name, kept in read().forms.ids.items():
        if text := texts.get(name):
            if kept in columns(LogLine) and kept not in found and len(text) <= _LONGEST_ID:
                found[kept] = text
            else:
                found.setdefault(_FOREIGN, {})[kept if kept not in columns(LogLine) else name] = text[:_LONGEST_ENTRY]
    return found


def _level_of(status: str) -> str:
    if not re.fullmatch(r"[45]\d\d", status):
        return "info"
    return "error" if status.startswith("5") else "warning"


def _body(values: Mapping[str, Any]) -> str:
    """Return a row as JSON; the longest texts of one that is too long are cut."""
    kept = dict(values)
    lengths = {name: len(_text(value)) for name, value in kept.items()}
    text = _encoded(kept)
    for name in sorted(kept, key=lambda name: -lengths[name]):
        if len(text) <= _LONGEST_BODY:
            break
        if lengths[name] > _CUT:
            kept[name] = _text(kept[name])[:_CUT] + "…"
        else:
            del kept[name]
        text = _encoded(kept)
    return text


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
