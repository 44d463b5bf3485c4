"""Vendors' words for what can be asked: each is one of our measures, columns, values or steps."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from trunkline.catalogue.columns import shown_columns, tables
from trunkline.catalogue.rows import Catalogue, DimensionWord, Measure

_COUNTED = "requests.count"
_REQUESTS = "requests"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a name means as a column: our column, or a step of the calendar; `vendor` is "" for a name of our own.

    `values` are the vendor's words for what stands in the column.
    """

    name: str
    column: str = ""
    step: str = ""
    in_ranges: bool = False
    values: Mapping[str, str] = {}
    vendor: str = ""

    @property
    def meaning(self) -> str:
        """What it means, in our words."""
        return self.column or f"step {self.step}"


class Dictionary:
    """Our names and vendors' words, found in any case of letters."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._own = catalogue.measures
        self.measures = measures(catalogue)
        self.meanings = dict(_meanings(catalogue))
        self._names = {_plain(name): name for name in self.measures}
        self._columns = {table: _columns(catalogue, table) for table in tables()}

    def measure(self, name: str) -> str:
        """Return a measure's name as it is known; an unknown one as it is."""
        return name if name in self.measures else self._names.get(_plain(name), name)

    def table(self, name: str) -> str:
        """Return the fact that a known measure is of; "" for an unknown one."""
        found = self.measures.get(self.measure(name))
        if found is None:
            return ""
        return self._own[found.ratio[0]].source if found.ratio else found.source

    def column(self, table: str, name: str) -> Word | None:
        """Return what a name means as a column of a fact, None for an unknown one."""
        bare, dot, _ = name.partition(".")
        own = tables()[table].get(bare)
        word = self._columns[table].get(_plain(name))
        if own is not None and not own.is_inner and own.is_map is bool(dot):
            values = word.values if word is not None and own.values else {}
            return Word(
                name=name, column=name, values={known: of for known, of in values.items() if known not in own.values}
            )
        return word

    def columns(self, table: str) -> list[str]:
        """List the names of a fact's columns, ours and vendors'."""
        return [*shown_columns(table), *(word.name for word in self._columns[table].values())]


def measures(catalogue: Catalogue) -> dict[str, Measure]:
    """Return all that can be asked for: our measures, and those that vendors' words mean, under these words."""
    found = dict(catalogue.measures)
    for service in catalogue.services.values():
        if service.metric is not None:
            where: dict[str, str | int | bool | list[str | int]] = {"service": service.name}
            counted = catalogue.measures[_COUNTED]
            found[service.metric.name] = msgspec.structs.replace(
                counted, where={**counted.where, **where}, brief=service.metric.brief, apart=True
            )
    for words in catalogue.words.values():
        for name, word in words.metrics.items():
            if word.lacks:
                continue
            known = catalogue.measures[word.means]
            found[name] = msgspec.structs.replace(
                known, factor=known.factor * word.factor, unit=word.unit or known.unit
            )
    return found


def _meanings(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for service in catalogue.services.values():
        if service.metric is not None:
            yield service.metric.name, f"{_COUNTED} where service is {service.name}"
    for words in catalogue.words.values():
        for name, word in words.metrics.items():
            if word.lacks:
                continue
            yield name, word.means if word.factor == 1 else f"{word.means} times {word.factor:g}"


def _columns(catalogue: Catalogue, table: str) -> dict[str, Word]:
    """Return the vendors' words for the columns of a fact, by their plain names."""
    found: dict[str, Word] = {}
    if table == _REQUESTS:
        for service in catalogue.services.values():
            for name, column in service.metric.dimensions.items() if service.metric else ():
                found[_plain(name)] = Word(name=name, column=column, vendor=service.vendor)
    for vendor, words in catalogue.words.items():
        for name, row in words.dimensions.items():
            if row.step or row.column in tables()[table]:
                found[_plain(name)] = _word(name, row, vendor)
        for name, dimension in words.filters.items():
            about = words.dimensions.get(dimension)
            if about is not None and about.column in tables()[table]:
                found.setdefault(_plain(name), _word(name, about, vendor))
    return found


def _word(name: str, row: DimensionWord, vendor: str) -> Word:
    return Word(
        name=name, column=row.column, step=row.step, in_ranges=bool(row.ranges_s), values=row.values, vendor=vendor
    )


def _plain(name: str) -> str:
    return name.replace(" ", "").lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names what comes nearest to an unknown name, in any case of letters."""
    plain: dict[str, str] = {}
    for each in sorted(known):
        plain.setdefault(each.lower(), each)
    near = difflib.get_close_matches(name[:100].lower(), plain, n=3, cutoff=0.4)
    return f"; the nearest are {', '.join(plain[each] for each in near)}" if near else ""
