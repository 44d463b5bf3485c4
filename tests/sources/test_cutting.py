"""Cutting files into chunks: any file, packed anyhow, cut anywhere and resumed anywhere, gives the same rows once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.sources import lines, packing, tables
from trunkline.sources.chunks import Chunk
from trunkline.sources.files import FactFile
from trunkline.sources.packing import CutOffError

LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"leg_id": st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)},
        optional={"sender": LETTERS.filter(bool), "sip_code": st.integers(0, 999), "extra": st.just({"region": "eu"})},
    ),
    min_size=1,
    max_size=40,
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small chunks, so that small files have many."""
    for module in (lines, tables):
        monkeypatch.setattr(module, "MOST_ROWS", 7)
        monkeypatch.setattr(module, "MOST_BYTES", 300)
    monkeypatch.setattr(packing, "BLOCK", 11)


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as lines of JSON."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def as_sheet(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as values with commas between."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["leg_id", "sender", "sip_code", "extra.region"])
    for row in rows:
        region = row.get("extra", {}).get("region", "")
        writer.writerow([row["leg_id"], row.get("sender", ""), row.get("sip_code", ""), region])
    return out.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as a Parquet file of several groups."""
    sink = io.BytesIO()
    schema = pa.schema(
        {
            "leg_id": pa.string(),
            "sender": pa.string(),
            "sip_code": pa.int32(),
            "extra": pa.struct({"region": pa.string()}),
        }
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, row_group_size=5)
    return sink.getvalue()


PACKINGS = {"": bytes, ".gz": gzip.compress, ".zst": lambda body: pa.Codec("zstd").compress(body, asbytes=True)}
FORMS = {"ndjson": as_lines, "csv": as_sheet, "parquet": as_parquet}


def read(chunk: Chunk) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows of a chunk as they travel, with their lines."""
    body = chunk.body()
    with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
        plain = stream.read()
    if chunk.media_type == "application/x-ndjson":
        rows = [json.loads(line) for line in plain.split(b"\n")]
    else:
        rows = pa.ipc.open_stream(plain).read_all().to_pylist(maps_as_pydicts="strict")
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert chunk.refused == []
    return list(zip(chunk.lines, rows, strict=True))


def written(folder: Path, name: str, body: bytes) -> FactFile:
    """Write a file and look at it."""
    (folder / name).write_bytes(body)
    return FactFile(folder / name, "calls")


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_every_row_travels_once_wherever_it_is_resumed(
    form: str, rows: list[dict[str, Any]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In its order; the chunks after a place are those that the whole file has there."""
    suffix = data.draw(st.sampled_from(list(PACKINGS) if form != "parquet" else [""]))
    file = written(tmp_path_factory.mktemp("file"), f"calls.{form}{suffix}", PACKINGS[suffix](FORMS[form](rows)))
    whole = [(chunk.number, read(chunk)) for chunk in file.chunks()]
    assert [number for number, _ in whole] == list(range(1, len(whole) + 1))
    assert [row for _, those in whole for _, row in those] == rows
    after = data.draw(st.integers(0, len(whole)))
    assert [(chunk.number, read(chunk)) for chunk in file.chunks(after)] == whole[after:]
    told = [line for _, those in whole for line, _ in those]
    assert told == sorted(set(told))


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.1, 0.999))
def test_of_a_file_that_is_cut_off_the_beginning_travels(
    form: str, seed: int, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What could be unpacked comes first, as whole rows; then it says where it ends."""
    dice = random.Random(seed)
    rows = [{"leg_id": f"{dice.getrandbits(64):x}", "sip_code": dice.randrange(999)} for _ in range(50)]
    packed = gzip.compress(FORMS[form](rows))
    folder = tmp_path_factory.mktemp("file")
    whole = [read(chunk) for chunk in written(folder, f"whole.{form}.gz", packed).chunks()]
    file = written(folder, f"cut.{form}.gz", packed[: max(200, int(share * len(packed)))])
    found: list[list[tuple[int, dict[str, Any]]]] = []
    with pytest.raises(CutOffError, match="ends early"):
        found.extend(read(chunk) for chunk in file.chunks())
    assert found[:-1] == whole[: max(0, len(found) - 1)]
    assert [row for those in found for _, row in those] == rows[: sum(map(len, found))]


def test_the_mark_is_of_all_the_bytes_and_of_how_they_are_cut(tmp_path: Path) -> None:
    """A copy has the same, a file with one byte more another."""
    one = written(tmp_path, "calls.ndjson", as_lines([{"leg_id": "a"}]))
    copy = written(tmp_path, "copy.ndjson", as_lines([{"leg_id": "a"}]))
    other = written(tmp_path, "other.ndjson", as_lines([{"leg_id": "a"}]) + b"\n")
    assert one.mark() == copy.mark() != other.mark()
    assert len(one.mark()) == 64


def test_a_file_that_changes_meanwhile_says_so(tmp_path: Path) -> None:
    """Its mark is no longer true."""
    file = written(tmp_path, "calls.ndjson", as_lines([{"leg_id": "a"}]))
    file.mark()
    (tmp_path / "calls.ndjson").write_bytes(as_lines([{"leg_id": "a"}, {"leg_id": "b"}]))
    with pytest.raises(CutOffError, match="was changed"):
        list(file.chunks())


def test_memory_does_not_grow_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that never ends is refused, and the next one goes on; little of it was ever held."""
    monkeypatch.setattr(packing, "BLOCK", 1 << 18)
    body = b'{"leg_id": "a"}\n{"leg_id": "' + b"x" * 30_000_000 + b'"}\n{"leg_id": "b"}\n'
    file = written(tmp_path, "calls.ndjson", body)
    tracemalloc.start()
    chunks = list(file.chunks())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row for chunk in chunks for row in chunk.rows()] == [b'{"leg_id": "a"}', b'{"leg_id": "b"}']
    told = [(one.line, one.why) for chunk in chunks for one in chunk.refused]
    assert told == [(2, "A line has at most 65536 bytes.")]
    assert most < 3_000_000


def test_a_table_that_is_damaged_within_gives_what_is_before(tmp_path: Path) -> None:
    """An Arrow stream whose second part is cut off."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"leg_id": [f"l{number}" for number in range(20)]})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    body = sink.getvalue().to_pybytes()
    file = written(tmp_path, "calls.arrow", body[: len(body) * 2 // 3])
    found: list[Any] = []
    with pytest.raises(CutOffError, match="damaged"):
        found.extend(row for chunk in file.chunks() for row in read(chunk))
    assert len(found) == 20


def batches(count: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of one row each."""
    for number in range(count):
        yield pa.record_batch({"leg_id": [f"l{number}"]})


def test_an_arrow_file_and_a_stream_of_the_same_rows_are_cut_alike(tmp_path: Path) -> None:
    """However its rows lie together in the file."""
    table = pa.Table.from_batches(list(batches(20)))
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(str(tmp_path / "b.arrow"), table.schema) as writer:
        writer.write_table(table.combine_chunks())
    one, two = (FactFile(tmp_path / name, "calls") for name in ("a.arrow", "b.arrow"))
    assert [read(chunk) for chunk in one.chunks()] == [read(chunk) for chunk in two.chunks()]
    assert (one.total, two.total) == (20, 0)
