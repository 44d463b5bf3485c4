"""The `$filter` of a metrics query: `Operation eq 'SendChatMessage' and StatusCode eq '*'`.

    filter  = group ( " and " group )*
    group   = condition ( " or " condition )*      all of one dimension
    condition = dimension " " op " '" value "'"    op is eq, ne, sw or startswith

A value of '*' asks for a split by the dimension; two quotes inside a value are one. Words match in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from trunkline.errors import InvalidError

Op = Literal["eq", "ne", "sw"]
ANY = "*"
LONGEST = 8192
_LAYERS = 2
# a dimension starts and ends with something visible: nothing is tried twice, however odd the text
_CONDITION = re.compile(
    r"\s*(?P<dimension>[^'\s](?:[^']*?[^'\s])?)\s+(?P<op>eq|ne|sw|startswith)\s+'(?P<value>(?:[^']|'')*+)'\s*",
    re.IGNORECASE | re.ASCII,
)
_JOIN = re.compile(r"(?P<join>and|or)\s+", re.IGNORECASE | re.ASCII)
_OPS: dict[str, Op] = {"eq": "eq", "ne": "ne", "sw": "sw", "startswith": "sw"}


@dataclass(frozen=True)
class Term:
    """One condition on a group's dimension."""

    op: Op
    value: str

    def holds(self, value: str) -> bool:
        """Tell whether a dimension's value fits, without regard to case."""
        if self.op == "sw":
            return value.lower().startswith(self.value.lower())
        if self.value == ANY:
            return self.op == "eq"
        return (value.lower() == self.value.lower()) is (self.op == "eq")


@dataclass(frozen=True)
class Group:
    """Conditions on one dimension, of which one has to hold."""

    dimension: str
    terms: tuple[Term, ...]

    def holds(self, value: str) -> bool:
        """Tell whether the dimension's value fits any of the conditions."""
        return any(term.holds(value) for term in self.terms)


def parse(text: str) -> tuple[Group, ...]:
    """Read a filter; an empty one has no groups. Raises InvalidError in the service's words."""
    if len(text) > LONGEST:
        raise InvalidError(f"The filter is longer than {LONGEST} characters.", target="$filter")
    if "'" not in text:
        text = _decoded(text)  # every condition has quotes: the whole was encoded twice
    groups: list[Group] = []
    place, join = 0, "and"
    while text.strip():
        found = _CONDITION.match(text, place)
        if found is None:
            raise _malformed(text)
        term = Term(_OPS[found["op"].lower()], _decoded(found["value"].replace("''", "'")))
        _add(groups, join, Group(_decoded(found["dimension"]), (term,)), text)
        place = found.end()
        if place == len(text):
            break
        follows = _JOIN.match(text, place)
        if follows is None:
            raise _malformed(text)
        place, join = follows.end(), follows["join"].lower()
    return tuple(groups)


def render(groups: tuple[Group, ...]) -> str:
    """Write a filter so that `parse` reads the same again."""
    return " and ".join(
        " or ".join(
            f"{_encoded(group.dimension)} {term.op} '{_encoded(term.value).replace(chr(39), chr(39) * 2)}'"
            for term in group.terms
        )
        for group in groups
    )


def _add(groups: list[Group], join: str, new: Group, text: str) -> None:
    if join == "and":
        groups.append(new)
        return
    last = groups[-1]
    if last.dimension.lower() != new.dimension.lower():
        raise InvalidError(
            f"The logical 'or' operator cannot separate two different metadata names: {last.dimension} and "
            f"{new.dimension} : {text}",
            target="$filter",
        )
    groups[-1] = Group(last.dimension, last.terms + new.terms)


def _decoded(text: str) -> str:
    # the SDKs advise to encode brackets twice before they encode the whole, so two layers may be left
    for _ in range(_LAYERS):
        text = unquote(text, errors="replace") if "%" in text else text
    return text


def _encoded(text: str) -> str:
    return text.replace("%", "%" + "25" * _LAYERS)


def _malformed(text: str) -> InvalidError:
    return InvalidError(
        f"only supports conditions of the form '<name> eq <value>' or '<name> ne <value>' : {text}",
        target="$filter",
    )
