"""Filters: which events pass, operator by operator, and which filters are refused."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import InvalidError
from trunkline.events.filters import OPERATORS, Condition, Filter, Sieve, check

EVENT = {
    "id": "1",
    "topic": "/subscriptions/x",
    "subject": "thread/T1/sender/Ada",
    "eventType": "Example.Sent",
    "dataVersion": "1.0",
    "data": {
        "text": "Hello World",
        "count": 5,
        "share": 2.5,
        "urgent": True,
        "none": None,
        "deep": {"er": {"name": "Ben"}},
        "tags": ["Red", "green", 7],
        "numbers": [1, 2, 30],
        "flags": [False, True],
        "empty": [],
        "objects": [{"name": "Ben"}],
        "blank": "",
    },
}


def matches(
    wanted: Filter, event_type: str, subject: str, envelope: Mapping[str, Any], *, lenient_subjects: bool = False
) -> bool:
    """Tell whether a filter lets an event pass."""
    sieve = Sieve(wanted, lenient_subjects=lenient_subjects)
    return sieve.takes_type(event_type) and sieve.takes_subject(subject) and sieve.takes(envelope)


def passes(operator: str, key: str, *values: Any, arrays: bool = False) -> bool:
    """Tell whether the example passes one condition."""
    wanted = Filter(conditions=(Condition(operator=operator, key=key, values=values),), arrays=arrays)
    check(wanted)
    return matches(wanted, "Example.Sent", EVENT["subject"], EVENT)


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("number_in", "data.count", (4, 5), True),
        ("number_in", "data.count", (4.0, 6), False),
        ("number_in", "data.urgent", (1,), False),
        ("number_in", "data.text", (1,), False),
        ("number_not_in", "data.count", (4, 6), True),
        ("number_not_in", "data.count", (5,), False),
        ("number_not_in", "data.text", (5,), False),
        ("number_less_than", "data.count", (5,), False),
        ("number_less_than", "data.share", (2.6,), True),
        ("number_less_than_or_equals", "data.count", (5,), True),
        ("number_greater_than", "data.count", (5,), False),
        ("number_greater_than", "data.count", (4.9,), True),
        ("number_greater_than_or_equals", "data.count", (5,), True),
        ("number_in_range", "data.count", ((1, 2), (5, 9)), True),
        ("number_in_range", "data.count", ((1, 4.9), (5.1, 9)), False),
        ("number_not_in_range", "data.count", ((1, 2), (6, 9)), True),
        ("number_not_in_range", "data.count", ((1, 5),), False),
        ("bool_equals", "data.urgent", (True,), True),
        ("bool_equals", "data.urgent", (False,), False),
        ("bool_equals", "data.count", (True,), False),
        ("string_contains", "data.text", ("x", "LO W"), True),
        ("string_contains", "data.text", ("x",), False),
        ("string_contains", "data.count", ("5",), False),
        ("string_begins_with", "data.text", ("hello",), True),
        ("string_begins_with", "data.text", ("world",), False),
        ("string_ends_with", "data.text", ("WORLD",), True),
        ("string_ends_with", "data.text", ("hello",), False),
        ("string_in", "data.text", ("hello world",), True),
        ("string_in", "data.text", ("hello",), False),
        ("string_in", "data.blank", ("",), True),
        ("string_not_contains", "data.text", ("x", "y"), True),
        ("string_not_contains", "data.text", ("x", "ello"), False),
        ("string_not_contains", "data.count", ("x",), False),
        ("string_not_begins_with", "data.text", ("world",), True),
        ("string_not_begins_with", "data.text", ("HELLO",), False),
        ("string_not_ends_with", "data.text", ("hello",), True),
        ("string_not_ends_with", "data.text", ("world",), False),
        ("string_not_in", "data.text", ("other",), True),
        ("string_not_in", "data.text", ("Hello World",), False),
        ("is_null_or_undefined", "data.none", (), True),
        ("is_null_or_undefined", "data.missing", (), True),
        ("is_null_or_undefined", "data.text", (), False),
        ("is_not_null", "data.text", (), True),
        ("is_not_null", "data.tags", (), True),
        ("is_not_null", "data.none", (), False),
        ("string_in", "data.deep.er.name", ("ben",), True),
        ("string_in", "data.Deep.er.name", ("ben",), False),
        ("string_in", "eventType", ("example.sent",), True),
        ("string_in", "EventType", ("example.sent",), True),
        ("string_begins_with", "Subject", ("thread/t1",), True),
        ("string_in", "data.text.more", ("x",), False),
        ("string_in", "data.objects.name", ("Ben",), False),
    ],
)
def test_an_operator_decides_as_documented(operator: str, key: str, values: tuple[Any, ...], expected: bool) -> None:
    """Texts without regard to case, values of another type never, keys by their path."""
    assert passes(operator, key, *values) is expected


VALUES = {"number": (1,), "range": ((1, 2),), "bool": (True,), "string": ("x",), "": ()}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_missing_key_is_only_taken_by_four_operators(operator: str) -> None:
    """Those that say not in, and the one that asks whether it is missing; null is as good as missing."""
    expected = operator in {"number_not_in", "number_not_in_range", "string_not_in", "is_null_or_undefined"}
    values = VALUES[OPERATORS[operator].kind]
    assert passes(operator, "data.missing", *values) is expected
    assert passes(operator, "data.none", *values) is expected
    assert passes(operator, "data.count.below", *values) is expected


@pytest.mark.parametrize("operator", [name for name, row in OPERATORS.items() if row.kind])
def test_an_array_matches_nothing_unless_arrays_are_asked_for(operator: str) -> None:
    """Negative operators fail too."""
    for key in ("data.tags", "data.numbers", "data.flags", "data.empty"):
        assert passes(operator, key, *VALUES[OPERATORS[operator].kind]) is False


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("string_in", "data.tags", ("red",), True),
        ("string_in", "data.tags", ("blue",), False),
        ("string_not_in", "data.tags", ("green",), False),
        ("string_not_in", "data.tags", ("blue",), True),
        ("string_contains", "data.tags", ("ree",), True),
        ("string_not_contains", "data.tags", ("ree",), False),
        ("number_in", "data.tags", (7,), True),
        ("number_greater_than", "data.numbers", (29,), True),
        ("number_less_than", "data.numbers", (1,), False),
        ("number_not_in_range", "data.numbers", ((20, 40),), False),
        ("number_not_in_range", "data.numbers", ((40, 50),), True),
        ("bool_equals", "data.flags", (True,), True),
        ("string_in", "data.empty", ("x",), False),
        ("string_not_in", "data.empty", ("x",), True),
        ("string_in", "data.objects", ("Ben",), False),
    ],
)
def test_any_element_of_an_array_counts_when_asked_for(
    operator: str, key: str, values: tuple[Any, ...], expected: bool
) -> None:
    """Positive operators need one element, negative ones fail by one; other types are ignored."""
    assert passes(operator, key, *values, arrays=True) is expected


def test_all_conditions_must_hold() -> None:
    """And between conditions, or between the values of one."""
    one = Condition(operator="string_in", key="data.text", values=("x", "hello world"))
    two = Condition(operator="number_in", key="data.count", values=(9,))
    assert matches(Filter(conditions=(one,)), "t", "s", EVENT)
    assert not matches(Filter(conditions=(one, two)), "t", "s", EVENT)


def test_types_are_compared_without_regard_to_case() -> None:
    """None named means all."""
    assert matches(Filter(), "Example.Sent", "s", EVENT)
    assert matches(Filter(types=("example.SENT", "Other")), "Example.Sent", "s", EVENT)
    assert not matches(Filter(types=("Example.Sent2",)), "Example.Sent", "s", EVENT)


def test_subjects_are_compared_as_the_filter_says() -> None:
    """Without regard to case unless the filter says so, from both ends."""

    def takes(lenient: bool = False, **wanted: Any) -> bool:
        return matches(Filter(**wanted), "t", "/phonenumber/1555", EVENT, lenient_subjects=lenient)

    assert takes(subject_begins="/PHONE", subject_ends="1555")
    assert not takes(subject_begins="/PHONE", case_sensitive=True)
    assert takes(subject_begins="/phone", case_sensitive=True)
    assert not takes(subject_begins="phonenumber/1555")
    assert takes(subject_begins="phonenumber/1555", lenient=True)
    assert not takes(subject_begins="//phonenumber", lenient=True)
    assert not takes(subject_ends="555/", lenient=True)
    assert not takes(subject_ends="/555", lenient=True)
    assert takes(subject_ends="phonenumber/1555", lenient=True)
    assert matches(Filter(subject_begins="/thread"), "t", "thread/1", EVENT, lenient_subjects=True)
    assert matches(Filter(subject_ends="/thread/1"), "t", "thread/1", EVENT, lenient_subjects=True)


@given(st.text(), st.text(), st.booleans())
def test_a_subject_begins_with_each_of_its_own_beginnings(head: str, tail: str, lenient: bool) -> None:
    """Case-sensitive, whatever it is made of; leniency never takes away."""
    wanted = Filter(subject_begins=head, subject_ends=tail, case_sensitive=True)
    assert matches(wanted, "t", head + tail, EVENT, lenient_subjects=lenient)


@given(st.text(max_size=6), st.text(max_size=6))
def test_leniency_only_adds(pattern: str, subject: str) -> None:
    """Whatever passes strictly passes leniently too."""
    wanted = Filter(subject_begins=pattern)
    if matches(wanted, "t", subject, EVENT):
        assert matches(wanted, "t", subject, EVENT, lenient_subjects=True)


NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5, allow_nan=False))
SCALARS = st.one_of(NUMBERS, st.text(max_size=3), st.booleans())


@given(NUMBERS, NUMBERS)
def test_of_two_numbers_exactly_one_order_holds(value: float, bound: float) -> None:
    """Less, equal and greater exclude each other and leave nothing out."""
    event = {"data": {"x": value}}

    def takes(operator: str, *values: Any) -> bool:
        return matches(Filter(conditions=(Condition(operator=operator, key="data.x", values=values),)), "t", "s", event)

    less, equal, more = (takes(f"number_{kind}", bound) for kind in ("less_than", "in", "greater_than"))
    assert [less, equal, more].count(True) == 1
    assert takes("number_less_than_or_equals", bound) is (less or equal)
    assert takes("number_greater_than_or_equals", bound) is (more or equal)
    assert takes("number_in_range", (bound, bound)) is equal


PAIRS = [(name, name.replace("_not_", "_")) for name in OPERATORS if "_not_" in name and name != "is_not_null"]


@given(st.sampled_from(PAIRS), st.lists(SCALARS, max_size=4), st.data())
def test_a_negative_operator_is_the_opposite_on_values_of_its_type(
    pair: tuple[str, str], elements: list[Any], data: st.DataObject
) -> None:
    """On arrays always, on single values when they have the operator's type; on others neither matches."""
    kind = OPERATORS[pair[0]].kind
    drawn = {
        "number": NUMBERS,
        "string": st.text(max_size=2),
        "range": st.tuples(NUMBERS, NUMBERS).map(lambda two: tuple(sorted(two))),
    }
    values = tuple(data.draw(st.lists(drawn[kind], min_size=1, max_size=3)))

    def takes(operator: str, value: Any) -> bool:
        wanted = Filter(conditions=(Condition(operator=operator, key="data.x", values=values),), arrays=True)
        return matches(wanted, "t", "s", {"data": {"x": value}})

    negative, positive = pair
    assert takes(negative, elements) is not takes(positive, elements)
    for value in elements:
        fits = isinstance(value, str) if kind == "string" else type(value) in {int, float}
        if fits:
            assert takes(negative, value) is not takes(positive, value)
        else:
            assert not takes(negative, value)
            assert not takes(positive, value)


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(conditions=tuple(Condition(operator="is_not_null", key="data.x") for _ in range(26))),
        Filter(conditions=tuple(Condition(operator="number_in", key="data.x", values=(1,) * 13) for _ in range(2))),
        Filter(conditions=(Condition(operator="string_in", key="data.x", values=("x" * 513,)),)),
        Filter(conditions=(Condition(operator="no_such", key="data.x", values=("x",)),)),
        Filter(conditions=(Condition(operator="string_in", key="", values=("x",)),)),
        Filter(conditions=(Condition(operator="string_in", key="data..x", values=("x",)),)),
        Filter(conditions=(Condition(operator="string_in", key="data.x"),)),
        Filter(conditions=(Condition(operator="string_in", key="data.x", values=(1,)),)),
        Filter(conditions=(Condition(operator="number_in", key="data.x", values=("1",)),)),
        Filter(conditions=(Condition(operator="number_in", key="data.x", values=(True,)),)),
        Filter(conditions=(Condition(operator="number_less_than", key="data.x", values=(1, 2)),)),
        Filter(conditions=(Condition(operator="number_in_range", key="data.x", values=((2, 1),)),)),
        Filter(conditions=(Condition(operator="number_in_range", key="data.x", values=(1, 2)),)),
        Filter(conditions=(Condition(operator="bool_equals", key="data.x", values=("true",)),)),
        Filter(conditions=(Condition(operator="is_not_null", key="data.x", values=(1,)),)),
        Filter(subject_begins="x" * 513),
    ],
)
def test_a_filter_beyond_the_rules_is_refused(wanted: Filter) -> None:
    """Too many, too long, unknown, or of the wrong type."""
    with pytest.raises(InvalidError):
        check(wanted)


def test_a_filter_at_the_bounds_is_taken() -> None:
    """Twenty-five filters of one value, and texts of 512 characters."""
    check(Filter(conditions=tuple(Condition(operator="string_in", key="id", values=("x" * 512,)) for _ in range(25))))
