"""Twilio's words: each is of something that there is, and the table notices one that is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from trunkline.catalogue.twilio.sids import call_sid, derived, is_account, is_call
from trunkline.catalogue.twilio.words import Case, UsualEdge, Words, lines, problems, words

ROW: dict[str, Any] = {"outcome": "", "answered": None, "sip_code": 200, "extra": {"a": "b"}}


def test_the_table_is_right() -> None:
    """Nothing to say of it."""
    assert list(problems(words())) == []


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("edges", {"x_edge": "x"}),
        ("streams", {"x": "sideways"}),
        ("levels", {"X": "awful"}),
        ("usual_edges", {**words().usual_edges, "carrier": UsualEdge(edge="nowhere")}),
        ("usual_edges", {**words().usual_edges, "fax": UsualEdge(edge="sip_edge")}),
        ("usual_edges", {"carrier": UsualEdge(edge="carrier_edge")}),
        ("metric", {"sdk": {"a.b": "nothing"}}),
        ("metric", {"sdk": {"a.b": "extra"}}),
        ("metric", {"sdk": {"a.b": "mos | poem"}}),
        ("event", {"sdk": {"a": "codes"}}),
        ("sensor", {"a": "mos"}),
        ("summary", {"from": {"a": "sip_code.x"}}),
        ("totals", {"sdk": {"a": ("samples.nothing",)}}),
        ("cases", {**words().cases, "direction": {"x": Case(where={"direction": ("sideways",)})}}),
        ("cases", {**words().cases, "direction": {"x": Case(unless={"nothing": ("x",)})}}),
        ("filters", {**words().filters, "case": {"X": "x"}}),
        ("filters", {**words().filters, "said": {"X": "x"}}),
        ("filters", {**words().filters, "text": {"X": "extra"}}),
    ],
)
def test_a_word_of_nothing_is_noticed(part: str, value: Any) -> None:
    """Part by part."""
    wrong: Words = msgspec.structs.replace(words(), **{part: value})
    assert list(problems(wrong)) != []


def test_a_case_holds_when_all_its_columns_do() -> None:
    """What is nothing is an empty text, numbers and truths are texts, entries of maps have names."""
    assert Case(where={"outcome": ("",), "answered": ("", "false"), "sip_code": ("200",)}).holds(ROW)
    assert Case(where={"extra.a": ("b", "c")}, unless={"extra.x": ("y",)}).holds(ROW)
    assert not Case(where={"extra.x": ("y",)}).holds(ROW)
    assert not Case(where={"outcome": ("",)}, unless={"extra.a": ("b",)}).holds(ROW)
    assert Case(where={"answered": ("true",)}).holds({**ROW, "answered": True})


def test_a_line_says_where_something_stands_and_what_it_is() -> None:
    """A column, a key of a map, and how a text is written."""
    (line,) = lines({"metadata.location.lat": "extra.latitude | number"})
    assert line.way == ("metadata", "location", "lat")
    assert (line.column, line.key, line.form) == ("extra", "latitude", "number")
    (line,) = lines({"codec_name": "codec"})
    assert (line.way, line.column, line.key, line.form) == (("codec_name",), "codec", "", "")


def test_an_sid_is_a_leg_s_own_before_it_is_made() -> None:
    """Its id, another system's, its call's; else the digest of its id, in the documented form."""
    own, other, call = ("CA" + digit * 32 for digit in "aBc")
    assert call_sid(own, [other], call) == own
    assert call_sid("leg", ["x", other], call) == other
    assert call_sid("leg", [], call) == call
    assert call_sid("leg", ["x"], "call") == derived("leg") == "CA4e1df3d256693afb3630685668820df4"
    assert is_call(derived(""))
    assert not any(map(is_call, ("CA", "ca" + "a" * 32, "CA" + "g" * 32, "CA" + "a" * 33, "AC" + "a" * 32)))
    assert is_account("AC" + "0" * 32)
    assert not is_account("AC" + "0" * 31)
