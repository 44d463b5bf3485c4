"""The tables of codes: their shape, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import msgspec

from trunkline.catalogue.columns import tables
from trunkline.catalogue.reading import converted, table
from trunkline.catalogue.rows import DeliveryOutcome, Row
from trunkline.errors import ConfigurationError

Fault = Literal["caller", "callee", "network", "service", "configuration", "nobody"]
"""Whose fault it is: who calls or sends or asks, who is called or gets it, what lies between them, the service that
works for both, how things are set up; nobody, where nothing went wrong or nobody could help it."""

_HEAD = ("code", "subcode", "name", "category", "fault", "meaning", "advice")
_NAMED = "="
_OUTCOMES = "acs_sms"


class Family(Row, frozen=True, kw_only=True):
    """One table of codes: where its codes are met, and which columns of facts (`table.column`) hold them.

    The rows of a generic family are subcodes, which mean the same under every code.
    """

    title: str
    seen: str
    of: tuple[str, ...] = ()
    generic: bool = False


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One code, or one code with a subcode, or a name that goes without a number.

    `category` is the group in which its maker puts it; `advice` says what to do.
    """

    family: str
    code: str
    subcode: str
    name: str
    category: str
    fault: Fault
    meaning: str
    advice: str

    @property
    def written(self) -> str:
        """Return it as people write it: 487/540487, 603, NO_ANSWER."""
        return "/".join(part for part in (self.code, self.subcode) if part) or self.name


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """Every family by its name, and every code in the order of the tables."""

    families: dict[str, Family]
    rows: tuple[Code, ...]


@cache
def read() -> Codes:
    """Read and check the tables; raises ConfigurationError naming the row that is wrong."""
    root = files("trunkline.catalogue")
    families = table(root / "codes" / "families.toml", Family)
    named = _lines((root / "codes" / "advice.tsv").read_text("utf-8"), "advice.tsv", 2)
    advice = {line[0]: line[1] for line in named}
    rows: list[Code] = []
    for family in families:
        if family == _OUTCOMES:
            rows += _of_outcomes(table(root / "acs" / "delivery_outcomes.toml", DeliveryOutcome))
        else:
            rows += parsed(family, (root / "codes" / f"{family}.tsv").read_text("utf-8"), advice)
    found = Codes(families=families, rows=tuple(rows))
    for wrong in problems(found):
        raise ConfigurationError(f"The codes are wrong: {wrong}.")
    return found


def parsed(family: str, text: str, advice: Mapping[str, str]) -> Iterator[Code]:
    """Yield the rows of a table; an advice that begins with = stands under that name in advice.tsv.

    Several codes with commas between them are as many rows. Raises ConfigurationError.
    """
    here = f"{family}.tsv"
    lines = _lines(text, here, len(_HEAD))
    if next(lines, None) != _HEAD:
        raise ConfigurationError(f"The codes are wrong: {here} does not begin with the columns {', '.join(_HEAD)}.")
    for line in lines:
        row = dict(zip(_HEAD, line, strict=True))
        name = row["advice"]
        if name.startswith(_NAMED):
            row["advice"] = advice.get(name.removeprefix(_NAMED), "")
        for code in row["code"].split(","):
            yield converted({**row, "family": family, "code": code}, Code, f"{here} {row['code']} {row['name']}")


def _lines(text: str, here: str, wide: int) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(text.splitlines(), 1):
        cells = tuple(line.split("\t"))
        if len(cells) != wide:
            raise ConfigurationError(f"The codes are wrong: line {number} of {here} has not {wide} columns.")
        yield cells


def _of_outcomes(outcomes: Mapping[str, DeliveryOutcome]) -> Iterator[Code]:
    for name, row in outcomes.items():
        values = {"name": name, "code": str(row.code), "meaning": row.text, "fault": row.fault, "advice": row.advice}
        yield converted(
            {"family": _OUTCOMES, "subcode": "", "category": "", **values}, Code, f"delivery_outcomes.toml {name}"
        )


def problems(codes: Codes) -> Iterator[str]:
    """Yield a sentence for each row that says too little, or says again what another says."""
    seen: set[tuple[str, str, str, str]] = set()
    for row in codes.rows:
        here = f"{row.family} {row.written}"
        if not row.meaning or not row.advice:
            yield f"{here} needs a meaning and an advice (one by a name needs a line in advice.tsv)"
        if not (row.code or row.subcode or row.name):
            yield f"a row of {row.family} has neither a code nor a name"
        key = (row.family, row.code, row.subcode, row.name.lower())
        if key in seen:
            yield f"{here} stands there twice"
        seen.add(key)
    for name, family in codes.families.items():
        if not family.title or not family.seen:
            yield f"the family {name} needs a title and where it is seen"
        for column in family.of:
            of, _, known = column.partition(".")
            if known not in tables().get(of, {}):
                yield f"the family {name} is of {column}, which is no column"


def by_family(codes: Codes) -> dict[str, Sequence[Code]]:
    """Return the codes of each family."""
    return {name: [row for row in codes.rows if row.family == name] for name in codes.families}


FAULTS: tuple[str, ...] = get_args(Fault)
