"""A code as people write it, looked up in every family: 603, 487/540487, NO_ANSWER, sip:486, Q.850;cause=17."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import groupby

import msgspec

from trunkline.catalogue.codes.table import Code, read

_PAIR = re.compile(r"(\d+)\s*/\s*(\d+)")
_REASON = re.compile(r"(sip|q\.?850)\s*;.*?\bcause\s*=\s*(\d+).*", re.IGNORECASE)
_IN_FAMILY = re.compile(r"([^:/]+?)\s*[:\s]\s*(.+)")
_FAR_END = re.compile(r"5(4|6)0(\d{3})")
_NEAR = 3
_LIKE = 0.6
_LONGEST = 200


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was meant, or may have been: `note` says why, where it is not what was asked for letter by letter."""

    code: Code
    note: str = ""


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """A family, and its codes nearest to what was asked for."""

    family: str
    codes: tuple[str, ...]


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a code; `near` is told of where nothing is."""

    asked: str
    found: tuple[Found, ...] = ()
    near: tuple[Near, ...] = ()


def explained(text: str, families: Iterable[str] = ()) -> Explained:
    """Look a code up in any case of letters, in some families only if they are named.

    A number is a code or a subcode, X/Y a code with its subcode. Where that pair stands nowhere, the subcode counts by
    itself: as one that means the same under every code, or, if it is 540xxx or 560xxx, as the SIP status in its last
    three digits, which the far side gave. What begins with a family's name and a colon is looked up there.
    """
    asked = " ".join(text[:_LONGEST].split())
    rows = [row for row in read().rows if row.family in families] if families else list(read().rows)
    found = list(_matches(asked, rows))
    if not found and (inner := _in_family(asked)):
        rows, asked_there = inner
        found = list(_matches(asked_there, rows))
        if not found:
            return Explained(asked=asked, near=tuple(_near(asked_there, rows)))
    return Explained(asked=asked, found=tuple(found), near=() if found else tuple(_near(asked, rows)))


def _matches(asked: str, rows: Sequence[Code]) -> Iterator[Found]:
    pair = _PAIR.fullmatch(asked)
    if pair:
        yield from _of_pair(pair[1], pair[2], rows)
    elif asked.isdecimal():
        yield from _of_number(asked, rows)
    elif asked:
        name = _letters(asked)
        yield from (Found(code=row) for row in rows if row.name and _letters(row.name) == name)


def _of_pair(code: str, subcode: str, rows: Sequence[Code]) -> Iterator[Found]:
    exact = [row for row in rows if (row.code, row.subcode) == (code, subcode)]
    if exact:
        yield from (Found(code=row) for row in exact)
        return
    families = read().families
    for row in rows:
        if families[row.family].generic and row.subcode == subcode:
            yield Found(code=row, note=f"The subcode means this under every code, so under {code} as well.")
    yield from _of_far_end(subcode, rows)
    for row in rows:
        if row.code == code and not row.subcode:
            yield Found(code=row, note=f"The code {code} alone; its subcode {subcode} stands in no table.")


def _of_number(number: str, rows: Sequence[Code]) -> Iterator[Found]:
    """Yield the rows of a code: those without a subcode first; then those of a subcode."""
    of_code = [row for row in rows if row.code == number]
    yield from (Found(code=row) for row in sorted(of_code, key=lambda row: bool(row.subcode)))
    of_subcode = [row for row in rows if row.subcode == number and row.code != number]
    yield from (Found(code=row, note=f"{number} is the subcode." if row.code else "") for row in of_subcode)
    if not of_code and not of_subcode:
        yield from _of_far_end(number, rows)


def _of_far_end(subcode: str, rows: Sequence[Code]) -> Iterator[Found]:
    told = _FAR_END.fullmatch(subcode)
    if told:
        way = "inbound" if told[1] == "4" else "outbound"
        note = f"{subcode} says that the far side answered so on an {way} call: its last digits are the SIP status."
        yield from (Found(code=row, note=note) for row in rows if (row.family, row.code) == ("sip", told[2]))


def _in_family(asked: str) -> tuple[list[Code], str] | None:
    """Return the rows of the families that the first word names, and what is asked of them."""
    parts = _REASON.fullmatch(asked) or _IN_FAMILY.fullmatch(asked)
    if not parts:
        return None
    start = _letters(parts[1])
    rows = [row for row in read().rows if _letters(row.family).startswith(start)]
    return (rows, parts[2]) if rows else None


# --- what is near ---


def _near(asked: str, rows: Sequence[Code]) -> Iterator[Near]:
    """Yield the families whose codes are nearest by number, or by name."""
    number = (_PAIR.fullmatch(asked) or [asked])[0].partition("/")[0].strip()
    near = _by_number(int(number), rows) if number.isdecimal() else _by_name(asked, rows)
    for family, codes in groupby(near, key=lambda row: row.family):
        yield Near(family=family, codes=tuple(dict.fromkeys(code.written for code in codes)))


def _by_number(number: int, rows: Sequence[Code]) -> list[Code]:
    """Return the nearest codes below and above of the nearest families."""
    nearest: list[tuple[int, list[Code]]] = []
    for _, group in groupby((row for row in rows if _number_of(row)), key=lambda row: row.family):
        ranked = sorted(group, key=lambda row: abs(int(_number_of(row)) - number))
        nearest.append((abs(int(_number_of(ranked[0])) - number), ranked[:_NEAR]))
    nearest.sort(key=lambda one: one[0])
    return [row for _, codes in nearest[:_NEAR] for row in codes]


def _number_of(row: Code) -> str:
    return row.code or row.subcode


def _by_name(asked: str, rows: Sequence[Code]) -> list[Code]:
    names = {_letters(row.name) for row in rows if row.name}
    close = get_close_matches(_letters(asked), sorted(names), n=_NEAR, cutoff=_LIKE)
    return [row for row in rows if _letters(row.name) in close]


@cache
def _letters(name: str) -> str:
    """Return a name without what people write in different ways: case, spaces, and marks."""
    return re.sub(r"[\W_]", "", name).casefold()
