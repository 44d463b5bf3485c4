"""The columns of the facts: read from their classes, each with a sentence, and rules that msgspec checks."""

from __future__ import annotations

import typing
from datetime import datetime

import msgspec
import pytest

from trunkline.catalogue.columns import MOMENT, columns, constrained, tables
from trunkline.catalogue.facts import KINDS, Call, Fact, Sample


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.table)
def test_every_column_says_what_it_holds(kind: type[Fact]) -> None:
    """In a sentence; values are lower case, and a time has its unit in its name."""
    for column in columns(kind).values():
        assert column.brief.endswith((".", "…")), column.name
        assert all(value == value.lower() for value in column.values)
        assert (column.of is datetime) is column.name.endswith("_at")
        assert set(kind.key) <= columns(kind).keys()
        assert all(columns(kind)[name].of is datetime for name in kind.guesses)
    assert next(iter(columns(kind))) == MOMENT


def test_a_column_is_read_from_its_class() -> None:
    """Type, unit, allowed values, default, and whether it is an id or may hold nothing."""
    of_calls, of_samples = columns(Call), columns(Sample)
    assert (of_calls["leg_id"].is_id, of_calls["leg_id"].is_required) == (True, True)
    assert (of_calls["talk_ms"].unit, of_calls["talk_ms"].of, of_calls["talk_ms"].is_optional) == ("ms", float, True)
    assert of_calls["direction"].values == ("inbound", "outbound")
    assert (of_calls["channel"].default, of_calls["extra"].default, of_calls["extra"].is_map) == ("voice", {}, True)
    assert (of_samples["packets_lost"].of, of_samples["loss_percent"].unit) == (int, "%")
    assert (of_calls["older"].is_inner, of_calls["extra"].is_inner) == (True, False)


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("leg_id", "x", ""),
        ("leg_id", "x" * 200, "x" * 201),
        ("mos", 5, 5.1),
        ("mos", None, "4"),
        ("country", "HR", "hr"),
        ("country", "", "HR\n"),
        ("talk_ms", 0, -1),
        ("extra", {"a": "b"}, {"": "b"}),
        ("extra", {"a": "b"}, {str(number): "" for number in range(41)}),
        ("sip_code", 486, 1000),
        ("direction", "outbound", "OUTBOUND"),
    ],
)
def test_what_is_posted_is_held_to_a_columns_rules(column: str, good: object, bad: object) -> None:
    """And what we record ourselves is not, so that nothing of ours is lost to them."""
    kind = constrained(typing.get_type_hints(Call, include_extras=True)[column])
    assert msgspec.convert(good, kind) == good
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, kind)


def test_no_column_has_a_name_that_sql_keeps_for_itself() -> None:
    """The planner writes names as they are."""
    reserved = {"group", "order", "select", "from", "where", "table", "column", "end", "case", "all", "limit", "to"}
    assert not {name for table in tables().values() for name in table} & reserved
