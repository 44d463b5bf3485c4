"""Countries: the two letters, the number and the name of each, as ISO 3166-1 has them."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import msgspec


class Country(msgspec.Struct, frozen=True):
    """A country: two letters, its number, and a name for people."""

    code: str
    number: int
    name: str


@cache
def countries() -> dict[str, Country]:
    """Return the countries by their two letters."""
    text = (files("trunkline.catalogue") / "countries.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["code"]: Country(row["code"], int(row["number"]), row["name"]) for row in rows}


@cache
def code_of(number: int) -> str:
    """Return the two letters of the country that has a number; "" if none has."""
    return next((one.code for one in countries().values() if one.number == number), "")
