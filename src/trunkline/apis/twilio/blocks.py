"""Blocks: what stands under an edge, filled from a fact by the lines of the words' table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from trunkline.catalogue.twilio.words import Line, words
from trunkline.clock import rfc3339


def fill(block: dict[str, Any], lines: Iterable[Line], row: Mapping[str, Any]) -> dict[str, Any]:
    """Put what a fact knows into its places; what it does not know is left out."""
    for line in lines:
        value = _value(line, row)
        if value is None:
            continue
        place = block
        for name in line.way[:-1]:
            place = place.setdefault(name, {})
        place[line.way[-1]] = value
    return block


def plain(value: Any) -> Any:
    """Write a number that is whole without a fraction, as the original does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def moment(at: datetime) -> str:
    """Write the moment of a reading or event: whole seconds where it has no fraction, else milliseconds."""
    return rfc3339(at, 3 if at.microsecond // 1000 else 0)


def second(at: datetime | None) -> str | None:
    """Write a moment where the SDKs read one: they take whole seconds only."""
    return None if at is None else rfc3339(at, 0)


def _value(line: Line, row: Mapping[str, Any]) -> Any:
    value = row[line.column]
    if line.key:
        value = value.get(line.key)
    if value is None or value == "":
        return None
    if line.form == "number":
        return _number(value)
    if line.form == "truth":
        return value.lower() == "true" if value.lower() in {"true", "false"} else None
    if line.form == "list":
        return [part.strip() for part in value.split(",") if part.strip()]
    if line.form == "payload type":
        given = row["extra"].get("payload_type", "")
        return int(given) if given.isascii() and given.isdigit() else words().codecs.get(value.lower())
    return plain(value)


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return None
    return plain(value) if abs(value) < 1e15 else None
