"""Filters: which events a subscription gets, by type, by subject, and by conditions on the event.

Source: the documentation's page on event filtering; what it leaves open is decided in the docstrings here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from trunkline.errors import InvalidError

MOST_CONDITIONS = 25
MOST_VALUES = 25
"""Of all conditions of a filter together."""
LONGEST_VALUE = 512

Test = Callable[[Any], bool]
_TOP = {name.casefold(): name for name in ("id", "topic", "subject", "eventType", "dataVersion", "eventTime")}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition: the values are numbers, texts, one truth value, or pairs of numbers, as the operator needs."""

    operator: str
    key: str
    values: tuple[Any, ...] = ()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscription asks for; without types it gets every type that is not a preview.

    Subjects are compared without regard to case unless `case_sensitive`; texts of conditions always. `arrays` lets
    conditions look into arrays.
    """

    types: tuple[str, ...] = ()
    subject_begins: str = ""
    subject_ends: str = ""
    case_sensitive: bool = False
    conditions: tuple[Condition, ...] = ()
    arrays: bool = False


class _Operator(msgspec.Struct, frozen=True):
    """How an operator is read: what its values are, how many, and how one element is tested.

    `negative` operators fail when any element matches. `missing` is the answer for a key that is not there or null.
    """

    kind: str
    single: bool
    test: Callable[[tuple[Any, ...]], Test]
    negative: bool = False
    missing: bool = False


def _equal_to(values: tuple[Any, ...]) -> Test:
    wanted = frozenset(values)
    return lambda value: value in wanted


def _within(values: tuple[Any, ...]) -> Test:
    return lambda value: any(low <= value <= high for low, high in values)


def _begins(values: tuple[Any, ...]) -> Test:
    return lambda value: value.startswith(values)


def _ends(values: tuple[Any, ...]) -> Test:
    return lambda value: value.endswith(values)


def _contains(values: tuple[Any, ...]) -> Test:
    return lambda value: any(part in value for part in values)


def _is_same(values: tuple[Any, ...]) -> Test:
    return lambda value: value is values[0]


OPERATORS: Mapping[str, _Operator] = {
    "number_in": _Operator("number", False, _equal_to),
    "number_not_in": _Operator("number", False, _equal_to, negative=True, missing=True),
    "number_less_than": _Operator("number", True, lambda v: lambda value: value < v[0]),
    "number_greater_than": _Operator("number", True, lambda v: lambda value: value > v[0]),
    "number_less_than_or_equals": _Operator("number", True, lambda v: lambda value: value <= v[0]),
    "number_greater_than_or_equals": _Operator("number", True, lambda v: lambda value: value >= v[0]),
    "number_in_range": _Operator("range", False, _within),
    # not documented for a missing key; read like number_not_in
    "number_not_in_range": _Operator("range", False, _within, negative=True, missing=True),
    "bool_equals": _Operator("bool", True, _is_same),
    "string_contains": _Operator("string", False, _contains),
    "string_begins_with": _Operator("string", False, _begins),
    "string_ends_with": _Operator("string", False, _ends),
    "string_in": _Operator("string", False, _equal_to),
    "string_not_contains": _Operator("string", False, _contains, negative=True),
    "string_not_begins_with": _Operator("string", False, _begins, negative=True),
    "string_not_ends_with": _Operator("string", False, _ends, negative=True),
    "string_not_in": _Operator("string", False, _equal_to, negative=True, missing=True),
    "is_null_or_undefined": _Operator("", False, lambda _: lambda _value: False, missing=True),
    "is_not_null": _Operator("", False, lambda _: lambda _value: True),
}
"""Every operator, in our spelling of the documented names."""


class Sieve:
    """A filter made ready for many events; a new one is made when the filter changes."""

    def __init__(self, wanted: Filter, *, lenient_subjects: bool = False) -> None:
        self._types = frozenset(name.casefold() for name in wanted.types)
        self._fold = not wanted.case_sensitive
        self._lenient = lenient_subjects
        self._begins = self._folded(wanted.subject_begins)
        self._ends = self._folded(wanted.subject_ends)
        self._conditions = [_compiled(condition, wanted.arrays) for condition in wanted.conditions]

    @property
    def names_types(self) -> bool:
        """Tell whether the filter names types at all."""
        return bool(self._types)

    @property
    def has_conditions(self) -> bool:
        """Tell whether the event itself has to be looked at."""
        return bool(self._conditions)

    def takes_type(self, event_type: str) -> bool:
        """Tell whether events of a type pass; case does not matter."""
        return not self._types or event_type.casefold() in self._types

    def takes_subject(self, subject: str) -> bool:
        """Tell whether a subject passes; one leading slash may be ignored on both sides."""
        if not (self._begins or self._ends):
            return True
        subject = self._folded(subject)
        if not self._lenient:
            return subject.startswith(self._begins) and subject.endswith(self._ends)
        bare = subject.removeprefix("/")
        return bare.startswith(self._begins.removeprefix("/")) and (
            subject.endswith(self._ends) or bare == self._ends.removeprefix("/")
        )

    def takes(self, envelope: Mapping[str, Any]) -> bool:
        """Tell whether an event, in the schema it was published in, meets every condition."""
        return all(condition(envelope) for condition in self._conditions)

    def _folded(self, text: str) -> str:
        return text.casefold() if self._fold else text


def _compiled(condition: Condition, arrays: bool) -> Callable[[Mapping[str, Any]], bool]:
    operator = OPERATORS[condition.operator]
    kind, path = operator.kind, _path(condition.key)
    test = operator.test(tuple(_comparable(value) for value in condition.values))

    def is_met(envelope: Mapping[str, Any]) -> bool:
        value = _value_at(envelope, path)
        if value is None:
            return operator.missing
        if not kind:  # the two that only ask whether something is there
            return test(value)
        if isinstance(value, list | tuple):
            if not arrays:
                return False
            elements = [_comparable(one) for one in value if _is_kind(kind, one)]
            return any(map(test, elements)) != operator.negative
        return _is_kind(kind, value) and test(_comparable(value)) != operator.negative

    return is_met


def _path(key: str) -> tuple[str, ...]:
    """Split a key at its dots; the names of the envelope are found in any case, those of the data exactly."""
    head, *rest = key.split(".")
    return (_TOP.get(head.casefold(), "data" if head.casefold() == "data" else head), *rest)


def _value_at(envelope: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = envelope
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _is_kind(kind: str, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def check(wanted: Filter) -> None:
    """Check a filter; raises InvalidError with a sentence."""
    for wrong in _problems(wanted):
        raise InvalidError(wrong, target="filter")


def _problems(wanted: Filter) -> Iterator[str]:
    if len(wanted.conditions) > MOST_CONDITIONS:
        yield f"A filter has at most {MOST_CONDITIONS} advanced filters."
    if sum(len(condition.values) for condition in wanted.conditions) > MOST_VALUES:
        yield f"The advanced filters of a subscription have at most {MOST_VALUES} values together."
    for text in (wanted.subject_begins, wanted.subject_ends, *wanted.types):
        if len(text) > LONGEST_VALUE:
            yield f"A text in a filter has at most {LONGEST_VALUE} characters."
    for condition in wanted.conditions:
        yield from _condition_problems(condition)


def _condition_problems(condition: Condition) -> Iterator[str]:
    operator = OPERATORS.get(condition.operator)
    if operator is None:
        yield f"There is no filter operator {condition.operator!r}."
        return
    if not condition.key or not all(condition.key.split(".")) or len(condition.key) > LONGEST_VALUE:
        yield f"An advanced filter needs a key, such as data.threadId; {condition.key!r} is none."
    if not operator.kind:
        if condition.values:
            yield f"The operator {condition.operator} takes no value."
        return
    if not condition.values or (operator.single and len(condition.values) != 1):
        yield f"The operator {condition.operator} needs {'one value' if operator.single else 'values'}."
    for value in condition.values:
        if operator.kind == "range":
            if not _is_range(value):
                yield f"The operator {condition.operator} needs pairs of numbers, the lower one first."
        elif not _is_kind(operator.kind, value):
            yield f"The operator {condition.operator} needs values that are a {operator.kind}."
        elif isinstance(value, str) and len(value) > LONGEST_VALUE:
            yield f"A text in a filter has at most {LONGEST_VALUE} characters."


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_is_kind("number", bound) for bound in value)
        and value[0] <= value[1]
    )
