"""Blocks: what stands under an edge, filled from a fact by the lines of the words' table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trunkline.catalogue.twilio.words import Line, lines, words
from trunkline.clock import rfc3339


class Shape:
    """What stands in a block: the lines of one or several parts of the table, made ready to be filled many times."""

    def __init__(self, *parts: Mapping[str, str]) -> None:
        every = [line for part in parts for line in lines(part)]
        self._formed = [line for line in every if line.form and not line.key]
        self._entries = [line for line in every if line.key]
        together: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for line in every:
            if not line.form and not line.key:
                together.setdefault(line.way[:-1], []).append((line.way[-1], line.column))
        self._plain = list(together.items())
        self.columns = {line.column for line in every}
        """What has to be known of a fact."""

    def fill(self, row: Mapping[str, Any], block: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a block with what a fact knows in its places; what it does not know is left out."""
        block = {} if block is None else block
        for way, leaves in self._plain:
            known = {
                leaf: int(value) if value.__class__ is float and value.is_integer() else value
                for leaf, column in leaves
                if (value := row[column]) is not None and value != ""
            }
            if known:
                _at(block, way).update(known)
        for line in self._formed:
            _put(block, line, row, row[line.column])
        if row["extra"]:  # mostly there is nothing
            for line in self._entries:
                _put(block, line, row, row[line.column].get(line.key))
        return block


def _at(block: dict[str, Any], way: Sequence[str]) -> dict[str, Any]:
    for name in way:
        block = block.setdefault(name, {})
    return block


def _put(block: dict[str, Any], line: Line, row: Mapping[str, Any], value: Any) -> None:
    if value is None or value == "":
        return
    written = _written(line, row, value) if line.form else plain(value)
    if written is not None:
        _at(block, line.way[:-1])[line.way[-1]] = written


def plain(value: Any) -> Any:
    """Write a number that is whole without a fraction, as the original does."""
    return int(value) if value.__class__ is float and value.is_integer() else value


def moment(at: datetime) -> str:
    """Write the moment of a reading or event: whole seconds where it has no fraction, else milliseconds."""
    return rfc3339(at, 3 if at.microsecond // 1000 else 0)


def second(at: datetime | None) -> str | None:
    """Write a moment where the SDKs read one: they take whole seconds only."""
    return None if at is None else rfc3339(at, 0)


def _written(line: Line, row: Mapping[str, Any], value: str) -> Any:
    """Write a text as what it stands for; None if it does not."""
    if line.form == "number":
        return _number(value)
    if line.form == "truth":
        return value.lower() == "true" if value.lower() in {"true", "false"} else None
    if line.form == "list":
        return [part.strip() for part in value.split(",") if part.strip()]
    given = row["extra"].get("payload_type", "")
    return int(given) if given.isascii() and given.isdigit() else words().codecs.get(value.lower())


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return None
    return plain(value) if abs(value) < 1e15 else None
