"""The grammar of a metrics filter."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.apis.azure.metric_filter import LONGEST, Group, Term, parse, render
from trunkline.errors import InvalidError

_EDGE = st.characters(exclude_categories=["Z", "C"], exclude_characters="'")
_NAMES = st.builds(
    lambda first, middle, last: first + middle + last,
    _EDGE,
    st.text(st.characters(exclude_categories=["C"], exclude_characters="'"), max_size=8),
    _EDGE,
)
_TERMS = st.builds(
    Term,
    st.sampled_from(["eq", "ne", "sw"]),
    st.text(st.characters(exclude_categories=["C"]), max_size=12),
)
_GROUPS = st.lists(st.builds(Group, _NAMES, st.lists(_TERMS, min_size=1, max_size=4).map(tuple)), max_size=4).map(tuple)


@given(_GROUPS)
def test_what_is_written_is_read_again(groups: tuple[Group, ...]) -> None:
    """Rendering a filter and parsing it gives the same filter, quotes and percent signs included."""
    assert parse(render(groups)) == groups


@given(st.one_of(st.text(), st.text(alphabet="ab eqnsw'*or%2")))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever comes in is read, or refused with a sentence."""
    with contextlib.suppress(InvalidError):
        assert all(group.dimension and group.terms for group in parse(text))


def test_words_match_in_any_case() -> None:
    """Operators and joins may be written in capitals; startswith is sw."""
    assert parse("A EQ 'x' OR a Ne 'y' AND B StartsWith 'z'") == (
        Group("A", (Term("eq", "x"), Term("ne", "y"))),
        Group("B", (Term("sw", "z"),)),
    )


def test_two_quotes_inside_a_value_are_one() -> None:
    """A quote is doubled inside a value."""
    assert parse("A eq 'it''s'") == (Group("A", (Term("eq", "it's"),)),)


@pytest.mark.parametrize("name", ["dim %2528test%2529 1", "dim %28test%29 1", "dim (test) 1"])
def test_brackets_may_be_encoded_twice(name: str) -> None:
    """Names and values are decoded as the SDKs advise to encode them."""
    assert parse(f"{name} eq '{name}'") == (Group("dim (test) 1", (Term("eq", "dim (test) 1"),)),)


def test_or_joins_conditions_of_one_dimension_only() -> None:
    """Two dimensions of one group are refused."""
    with pytest.raises(InvalidError, match="cannot separate two different"):
        parse("A eq 'x' or B eq 'y'")


@pytest.mark.parametrize("text", ["A", "A eq x", "A lt 'x'", "A eq 'x' and", "A eq 'x' B eq 'y'", "eq 'x'", "'"])
def test_a_broken_filter_is_refused_in_the_services_words(text: str) -> None:
    """The message repeats the filter, as tools expect it."""
    with pytest.raises(InvalidError) as caught:
        parse(text)
    assert caught.value.message == (
        f"only supports conditions of the form '<name> eq <value>' or '<name> ne <value>' : {text}"
    )


def test_an_empty_filter_has_no_groups() -> None:
    """Blanks are nothing."""
    assert parse("") == parse("  ") == ()


def test_a_filter_has_a_longest_length() -> None:
    """Longer ones are refused before they are read."""
    with pytest.raises(InvalidError, match="longer than"):
        parse("A eq '" + "x" * LONGEST + "'")


def test_values_compare_without_regard_to_case() -> None:
    """Equal, not equal, starts with and any."""
    assert Term("eq", "2XX").holds("2xx")
    assert not Term("ne", "2XX").holds("2xx")
    assert Term("sw", "SEND").holds("SendChatMessage")
    assert Term("eq", "*").holds("anything")
    assert not Term("ne", "*").holds("anything")


def test_a_filter_that_was_encoded_twice_as_a_whole_is_read_too() -> None:
    """As one client sends what another has encoded already."""
    text = "Operation eq '*' and StatusCode eq '201'"
    once = quote(text)
    assert parse(once) == parse(quote(once)) == parse(text)
