"""What a file is: its form, its facts, its columns, and what its values mean."""

from __future__ import annotations

import base64
import gzip
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trunkline import config
from trunkline.catalogue.columns import columns
from trunkline.catalogue.facts import Call
from trunkline.errors import InvalidError
from trunkline.sources.files import FactFile
from trunkline.sources.rules import TAKEN, converted

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVENT = b'{"call_id": "a", "name": "b"}\n'


def looked(folder: Path, name: str, text: str | bytes, fact: str = "", *, ignore_unknown: bool = False) -> FactFile:
    """Write a file and look at it."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return FactFile(folder / name, fact, ignore_unknown=ignore_unknown)


def rows(file: FactFile) -> list[Any]:
    """Return all rows that travel."""
    found: list[Any] = []
    for chunk in file.chunks():
        chunk.body()
        found += chunk.rows()
    return found


def refused(file: FactFile) -> list[tuple[int, str, str]]:
    """Return all rows that do not."""
    found = []
    for chunk in file.chunks():
        chunk.body()
        found += [(one.line, one.path, one.why) for one in chunk.refused]
    return found


@pytest.mark.parametrize(
    ("name", "text", "kind", "by"),
    [
        ("a.csv", "leg_id,sip_code\na,200\n", "calls", "its columns"),
        ("a.csv", "call_id,edge,mos\na,sdk,4\n", "samples", "its columns"),
        ("a.csv", "call_id,name\na,ringing\n", "call_events", "its columns"),
        ("a.csv", "message_id,recipient\na,b\n", "messages", "its columns"),
        ("a.csv", "service,operation,status\nchat,Send,200\n", "requests", "its columns"),
        ("my-samples-2.csv", "call_id,edge\na,sdk\n", "samples", "its name"),
        ("call-events.ndjson.gz", gzip.compress(EVENT, mtime=0), "call_events", "its name"),
    ],
)
def test_the_facts_are_known_by_the_name_or_the_columns(
    tmp_path: Path, name: str, text: str | bytes, kind: str, by: str
) -> None:
    """And which of the two it was is said."""
    file = looked(tmp_path, name, text)
    assert (file.kind.table, file.known_by) == (kind, by)


def test_what_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    """With the names there are; attempts are our own."""
    with pytest.raises(InvalidError, match=r"--fact requests\|calls\|samples\|call_events\|messages"):
        looked(tmp_path, "a.csv", "happened_at\n2026-11-21\n")
    with pytest.raises(InvalidError, match="There are no facts 'attempts'"):
        looked(tmp_path, "a.csv", "leg_id\na\n", "attempts")
    assert "attempts" not in TAKEN


def test_an_unknown_column_is_told_with_the_nearest_or_left_out(tmp_path: Path) -> None:
    """In a sheet as in lines; the inner columns are nobody's."""
    for name, text in (("a.csv", "leg_id,recipent\na,b\n"), ("a.ndjson", '{"leg_id": "a", "recipent": "b"}\n')):
        with pytest.raises(InvalidError, match="no column 'recipent'; the nearest are recipient"):
            looked(tmp_path, name, text, "calls")
        file = looked(tmp_path, name, text, "calls", ignore_unknown=True)
        assert file.ignored == ["recipent"]
        assert rows(file) in ([{"leg_id": "a"}], [b'{"leg_id":"a"}'])
    with pytest.raises(InvalidError, match="no column 'older'"):
        looked(tmp_path, "a.csv", "leg_id,older\na,b\n", "calls")
    with pytest.raises(InvalidError, match=r"no column 'extra\.x'"):  # lines have maps
        looked(tmp_path, "a.ndjson", '{"leg_id": "a", "extra.x": "b"}\n', "calls")
    with pytest.raises(InvalidError, match="Two columns have the name 'leg_id'"):
        looked(tmp_path, "a.csv", "leg_id,leg_id\na,b\n", "calls")


def test_unknown_members_of_later_lines_are_left_out_as_well(tmp_path: Path) -> None:
    """Though only the first hundred were looked at; what is no JSON goes on, to be refused."""
    text = '{"leg_id": "a"}\n' * 200 + '{"leg_id": "b", "x": 1}\n{"leg_id"\n'
    assert rows(looked(tmp_path, "a.ndjson", text, "calls", ignore_unknown=True))[-2:] == [
        b'{"leg_id":"b"}',
        b'{"leg_id"',
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"[{}]", r"`jq -c '\.\[\]'` makes that of an array"),
        (b'{\n"leg_id": "a"}', "is not one JSON object a line"),
        (b"\x7fELF\0\0", "is none of NDJSON"),
        (b"PAR1xxxx", "cannot be read"),
        (b"ARROW1\0\0", "cannot be read"),
        (gzip.compress(b"PAR1xxxx", mtime=0), "unpack it first"),
        (b"leg_id,,x\n", "has no name"),
        (b"\x1f\x8bxx", "damaged"),
    ],
)
def test_what_is_no_file_of_facts_says_why(tmp_path: Path, body: bytes, why: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidError, match=why):
        looked(tmp_path, "a", body, "calls")


def test_what_is_no_file_at_all_says_so(tmp_path: Path) -> None:
    """A folder, and nothing."""
    with pytest.raises(InvalidError, match="is a folder"):
        FactFile(tmp_path)
    with pytest.raises(InvalidError, match="does not exist"):
        FactFile(tmp_path / "x")


def test_a_sheet_becomes_typed_columns(tmp_path: Path) -> None:
    """Whatever stands between the values; what is empty is left out; entries of maps have columns of their own."""
    text = (
        "\ufeffleg_id;happened_at;answered;ring_ms;sip_code;extra.region;extra.device;foreign_ids\n"
        'a;2026-11-21T12:00:00Z;yes;1.5;200;eu;;"{""acs"": ""x""}"\n'
        "\n"
        'b;"2026-11-21 13:00:00.1234567+01:00";FALSE;;;;"a\nb";\n'
    )
    assert rows(looked(tmp_path, "calls.csv", text)) == [
        {
            "leg_id": "a",
            "happened_at": NOON,
            "answered": True,
            "ring_ms": 1.5,
            "sip_code": 200,
            "extra": {"region": "eu"},
            "foreign_ids": {"acs": "x"},
        },
        {
            "leg_id": "b",
            "happened_at": NOON.replace(microsecond=123456),
            "answered": False,
            "extra": {"device": "a\nb"},
        },
    ]


def test_rows_that_cannot_be_read_are_refused_and_the_others_travel(tmp_path: Path) -> None:
    """With the line on which they begin, the column, and why."""
    text = (
        b"leg_id,happened_at,answered,ring_ms,sip_code,extra\n"
        b"a,yesterday,,,,\n"
        b"b,,maybe,,,\n"
        b'"c\nc",,,long,,\n'
        b"d,,,nan,,\n"
        b"e,,,,1.5,\n"
        b"f,,,,,[1]\n"
        b"g,,\n"
        b"\xff,,,,,\n"
        b"h,,,,99999999999999999999,\n"
        b"i,2026-11-21T12:00:00Z,1,1e3,2.0,\n"
    )
    file = looked(tmp_path, "calls.csv", text)
    assert refused(file) == [
        (2, "happened_at", "'yesterday' is not a moment as RFC 3339 writes it."),
        (3, "answered", "'maybe' is neither true nor false."),
        (4, "ring_ms", "'long' is no number."),
        (6, "ring_ms", "'nan' is no finite number."),
        (7, "sip_code", "'1.5' is no whole number."),
        (8, "extra", "'[1]' is no JSON object."),
        (9, "", "The row has 3 values, the columns are 6."),
        (10, "", "The row is not UTF-8."),
        (11, "sip_code", "The number is too large."),
    ]
    [row] = rows(file)
    assert row == {"leg_id": "i", "happened_at": NOON, "answered": True, "ring_ms": 1000.0, "sip_code": 2}
    [chunk] = file.chunks()
    chunk.body()
    assert (list(chunk.lines), chunk.row(3)) == ([12], {"leg_id": "b", "answered": "maybe"})


def test_a_table_may_have_other_types(tmp_path: Path) -> None:
    """Moments without a zone are UTC; numbers may be texts and texts numbers; structures are maps."""
    table = pa.table(
        {
            "leg_id": pa.array(["a"]).dictionary_encode(),
            "network_id": pa.array([21901]),
            "happened_at": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")),
            "ended_at": pa.array(["2026-11-21T12:00:00Z"], pa.large_string()),
            "answered_at": pa.array([date(2026, 11, 21)]),
            "ring_ms": pa.array(["2"]),
            "sip_code": pa.array([200.0]),
            "answered": pa.array([True]),
            "extra": pa.array([{"a": "b", "n": 1, "none": None}]),
            "foreign_ids": pa.array([[("x", "y")]], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "calls.parquet")
    assert rows(FactFile(tmp_path / "calls.parquet")) == [
        {
            "leg_id": "a",
            "network_id": "21901",
            "happened_at": NOON,
            "ended_at": NOON,
            "answered_at": NOON.replace(hour=0),
            "ring_ms": 2.0,
            "sip_code": 200,
            "answered": True,
            "extra": {"a": "b", "n": "1"},
            "foreign_ids": {"x": "y"},
        }
    ]


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("happened_at", pa.array([1]), "1 is not a moment as RFC 3339 writes it."),
        ("answered", pa.array([2]), "2 is neither true nor false."),
        ("sip_code", pa.array([True]), "True is no whole number."),
        ("sip_code", pa.array([1.5]), "1.5 is no whole number."),
        ("leg_id", pa.array([[1]]), "[1] is no text."),
        ("ring_ms", pa.array([float("inf")]), "inf is no finite number."),
    ],
)
def test_a_value_of_a_strange_type_is_refused(column: str, values: Any, why: str) -> None:
    """Nothing is guessed: what a number means as a moment nobody knows."""
    array, wrong = converted(values, columns(Call)[column])
    assert (array.to_pylist(), wrong) == ([None], {0: why})


def test_a_row_of_wild_quotes_does_not_swallow_the_file(tmp_path: Path) -> None:
    """A quote that nobody closes is refused when its value has become too long, or the file ends; it says how far."""
    found = refused(looked(tmp_path, "calls.csv", 'leg_id,sender\na,b\nc,"' + "x\n" * 100_000 + "d,e\n"))
    assert found[0][0] == 3
    assert found[0][2].startswith("The row cannot be read, nor what follows up to line 65539: field larger than")
    file = looked(tmp_path, "calls.csv", 'leg_id,sender\na,b\nc,"x\nd,e\n')
    assert refused(file) == [(3, "", "The row cannot be read, nor what follows up to line 4: unexpected end of data.")]
    assert rows(file) == [{"leg_id": "a", "sender": "b"}]
    file = looked(tmp_path, "calls.csv", 'leg_id,sender\na,"b"c\nd,e\n')
    assert [line for line, _, _ in refused(file)] == [2]
    assert rows(file) == [{"leg_id": "d", "sender": "e"}]


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_what_cannot_be_packed_goes_into_bodies_that_a_server_takes(tmp_path: Path, form: str) -> None:
    """However long its rows are, and wherever the long ones stand: keys and tokens are as good as random."""
    chance = random.Random(1)
    legs = [base64.b64encode(chance.randbytes(1200 if n < 4000 else 60)).decode() for n in range(20_000)]
    file = tmp_path / f"calls.{form}"
    if form == "ndjson":
        file.write_text("".join(json.dumps({"leg_id": leg[:80], "extra": {"token": leg}}) + "\n" for leg in legs))
    else:
        pq.write_table(pa.table({"leg_id": [leg[:80] for leg in legs], "extra.token": legs}), file)
    chunks = list(FactFile(file).chunks())
    assert max(len(chunk.body()) for chunk in chunks) <= config.Settings().max_body_bytes
    assert [line for chunk in chunks for line in chunk.lines] == list(range(1, 20_001))


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (pa.array([1_795_262_340_123_456_789], pa.timestamp("ns")), "2026-11-21 11:59:00.123456+00:00"),
        (pa.array([1_795_262_340_123_456], pa.timestamp("us", "Nowhere/Land")), "2026-11-21 11:59:00.123456+00:00"),
        (pa.array([2**62], pa.timestamp("s")), "9999-12-31 23:59:59+00:00"),
    ],
)
def test_a_row_is_told_whatever_moments_it_has(tmp_path: Path, moment: Any, told: str) -> None:
    """Also those that Python has not, which has neither nanoseconds nor such zones and years."""
    table = pa.table({"call_id": ["a"], "mos": [9.0], "happened_at": moment})
    with pa.OSFile(str(tmp_path / "samples.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    (chunk,) = FactFile(tmp_path / "samples.arrow").chunks()
    assert [str(row["happened_at"]) for row in chunk.rows()] == [told]
    assert str(chunk.row(1)["happened_at"]) == told
