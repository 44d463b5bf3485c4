"""Support files as a bundle gives them, and the archive that they go into."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies as st

from trunkline.insight import handed_over
from trunkline.insight.archive import LeftOutError, Member, archive
from trunkline.insight.redaction import GONE, Redactor

KEY = "pz3j9Q+/aB7xTq0WfVnN2k1mLr8s5uYcE4dHgJoPiA6ZyXb+KvRtMwSeCl/DhFOuQ=="


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]


def handed(content: bytes, **options: list[str]) -> bytes:
    """Return what is given of a file."""
    return b"".join(handed_over.given(io.BytesIO(content), Redactor([KEY], **options)))


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    """Let a file come in many pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handed_over, "_AT_ONCE", 64)
        patch.setattr(handed_over, "_LONGEST_LINE", 4096)
        yield


@hypothesis.given(
    st.lists(st.text("abc é\n", max_size=200), max_size=8), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
)
def test_no_secret_is_cut_in_two(parts: list[str], encoding: str) -> None:
    """However a text is encoded and wherever its pieces end; the rest of it stays, line ends and all."""
    text = f" {KEY} ".join(["begin\n", *parts])
    left = handed(text.encode(encoding)).decode()
    assert left == text.replace(KEY, GONE)


def test_a_private_key_is_gone_though_it_has_many_lines() -> None:
    """Each of which is sent in another piece."""
    lines = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 20
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])
    assert handed(f"before\n{key}\nafter\n".encode()) == f"before\n{GONE}\nafter\n".encode()


def test_what_cannot_be_looked_at_is_left_out() -> None:
    """Packed files, lines without end, bytes with a secret; and any bytes where numbers are to be removed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("a.txt", KEY)
    picture = b"\x89PNG\0" + bytes(range(256)) * 50
    for content in (packed.getvalue(), gzip.compress(KEY.encode()), b"x" * 5000, picture + KEY.encode() + picture):
        with pytest.raises(LeftOutError):
            handed(content)
    with pytest.raises(LeftOutError):
        handed(picture + KEY.encode("utf-16-le"))
    assert handed(picture) == picture
    with pytest.raises(LeftOutError):
        handed(picture, numbers=[])


def test_what_zip_and_gzip_packed_is_given_unpacked() -> None:
    """Without secrets, in names too; what is packed within, or not sound, is left out."""
    packed, locked = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("logs/", "")
        made.writestr("logs/a.txt", f"one {KEY} two")
        made.writestr("logs/inner.zip", b"PK\x03\x04...")
        made.writestr("../+14255550123.txt", "three")
    with zipfile.ZipFile(locked, "w") as made:
        made.writestr("b.txt", "four" * 100)
    broken = bytearray(locked.getvalue())
    broken[40:60] = b"x" * 20

    def listed(content: bytes) -> dict[str, bytes]:
        given = handed_over.members("n", io.BytesIO(content), Redactor([KEY], numbers=[]))
        with zipfile.ZipFile(io.BytesIO(b"".join(archive(given, 10**6)))) as made:
            return {name: made.read(name) for name in made.namelist()}

    found = listed(packed.getvalue())
    assert {name: found[name] for name in found if name != "manifest.json"} == {
        "n/1-a.txt": f"one {GONE} two".encode(),
        "n/3-_number 1_.txt": b"three",
    }
    assert [one["name"] for one in json.loads(found["manifest.json"])["left_out"]] == ["n/2-inner.zip"]
    assert listed(gzip.compress(f"one {KEY}".encode()))["n.unpacked"] == f"one {GONE}".encode()
    for content in (gzip.compress(bytes(5000))[:-9], packed.getvalue()[:-30], bytes(broken)):
        assert json.loads(listed(content)["manifest.json"])["left_out"], content


def test_an_archive_is_sound_and_says_what_was_left_out() -> None:
    """A member that cannot be given, and whatever comes when there is no more room."""

    def broken() -> Iterator[bytes]:
        yield b"some"
        raise LeftOutError("It ends.")

    members = [Member("a", [b"1" * 10]), Member("b", broken()), Member("c", [b"2" * 100]), Member("d", [b"", b"3"])]
    pieces = list(archive([Member("z", handed_over.left_out("Never here.")), *members], 50))
    assert len(pieces) > 3
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as made:
        assert made.testzip() is None
        assert {name: made.read(name) for name in ("a", "b", "d")} == {"a": b"1" * 10, "b": b"some", "d": b"3"}
        manifest = json.loads(made.read("manifest.json"))
    assert [one["name"] for one in manifest["files"]] == ["a", "b", "d"]
    assert {one["name"]: one["why"].partition(" ")[0] for one in manifest["left_out"]} == {
        "z": "Never",
        "b": "It",
        "c": "The",
    }
