"""The exchange: bodies and queries, however they come."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.api import exchange as module
from trunkline.api.exchange import Exchange
from trunkline.errors import InvalidError, StalledError, TooLargeError

LARGEST = 1000


class Shape(msgspec.Struct):
    """A body."""

    name: str = ""
    many: int = 0
    share: float = 0.0
    inner: list[dict[str, Any]] = []


def exchange(
    *messages: dict[str, Any], query: str = "", headers: dict[str, str] | None = None, hangs: bool = False
) -> Exchange:
    """Make an exchange over the messages that the server hands on."""
    incoming = list(messages)

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop(0)
        if hangs:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("192.0.2.7", 5),
    }
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return Exchange(scope, receive, at=now, ms_cv="cv.0", request_id="id", largest=LARGEST)


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Make a message with a part of the body."""
    return {"type": "http.request", "body": body, "more_body": more}


def read(made: Exchange) -> bytes:
    """Read an exchange's body."""
    asyncio.run(made.read_body())
    return made.body


def test_a_body_in_parts_is_put_together() -> None:
    """Empty parts, and messages that leave everything out, included."""
    assert read(exchange(part(b"ab", more=True), part(b"", more=True), part(b"c"))) == b"abc"
    assert read(exchange({"type": "http.request"})) == b""
    assert read(exchange(part(b"x" * LARGEST))) == b"x" * LARGEST


def test_a_body_that_is_too_large_is_refused_as_soon_as_that_shows() -> None:
    """By its length before a byte is read, else by what has come."""
    with pytest.raises(TooLargeError):
        read(exchange(headers={"content-length": str(LARGEST + 1)}, hangs=True))
    with pytest.raises(TooLargeError):
        read(exchange(headers={"content-length": "9" * 5000}, hangs=True))
    with pytest.raises(TooLargeError):
        read(exchange(part(b"x" * LARGEST, more=True), part(b"y", more=True), hangs=True))


@pytest.mark.parametrize("length", ["", "²", "-5", "1e9", "abc", " 7 "])
def test_a_length_that_is_no_number_is_not_believed(length: str) -> None:
    """The server in front refuses most; whatever passes breaks nothing."""
    assert read(exchange(part(b"abc"), headers={"content-length": length})) == b"abc"


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the client's fault (408), and the SDKs try again."""
    monkeypatch.setattr(module, "BODY_PATIENCE_S", 0.02)
    with pytest.raises(StalledError) as stalled:
        read(exchange(part(b"ab", more=True), hangs=True))
    assert stalled.value.facts["code"] == "RequestTimeout"


def test_a_client_that_leaves_in_mid_body_is_noticed() -> None:
    """Half a body is no body."""
    with pytest.raises(InvalidError, match="ended before"):
        read(exchange(part(b"{", more=True)))


def parsed(body: bytes) -> Shape:
    """Read a body as the shape."""
    made = exchange()
    made.body = body
    return made.json(Shape)


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b'"\xed\xa0\x80"', "body"),
        (b'{"name": "\\ud800"}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"inner": ' + b'[{"a":' * 5000, "body"),
        (b'{"share": NaN}', "body"),
        (b'{"share": Infinity}', "body"),
        (b'{"share": 1e999}', "share"),
        (b'{"many": 1.5}', "many"),
        (b'{"many": ' + b"9" * 10_000 + b"}", "many"),
        (b'{"name": 5}', "name"),
        (b'{"name": null}', "name"),
        (b'{"inner": [{}, 7]}', "inner[1]"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"name": "a"} trailing', "body"),
        (b"\xef\xbb\xbf{}", "body"),
    ],
)
def test_a_body_that_does_not_fit_names_the_place(body: bytes, target: str) -> None:
    """Broken, too deep, no number, or of another shape: our error, never Python's."""
    with pytest.raises(InvalidError) as invalid:
        parsed(body)
    assert invalid.value.target == target


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_our_error(body: bytes) -> None:
    """Neither as a body of a shape nor as one of any kind."""
    made = exchange()
    made.body = body
    for kind in (Shape, dict[str, Any], list[int]):
        try:
            made.json(kind)
        except InvalidError as error:
            assert error.message  # noqa: PT017 - most bytes are no JSON


def test_an_empty_body_stands_for_an_empty_object() -> None:
    """Some SDKs send none where all fields are optional."""
    assert parsed(b"") == Shape()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("api-version=1&$filter=a%20eq%20'b'", {"api-version": "1", "$filter": "a eq 'b'"}),
        ("%24filter=x", {"$filter": "x"}),
        ("%2524filter=x", {"$filter": "x"}),
        ("API-Version=1", {"api-version": "1"}),
        ("a=1&a=2&A=3", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=&b==c&&", {"a": "", "b": "=c"}),
        ("a=x+y%2Bz", {"a": "x y+z"}),
        ("a=%C3%BC&b=%FF", {"a": "ü", "b": "\ufffd"}),
        ("a=%zz&b=%", {"a": "%zz", "b": "%"}),
        ("a;b=1", {"a;b": "1"}),
        ("", {}),
    ],
)
def test_a_query_is_read_as_the_sdks_write_it(query: str, found: dict[str, str]) -> None:
    """Encoded names, names in any case, the first of several, and whatever else comes."""
    assert dict(exchange(query=query).query) == found


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))))
def test_every_value_survives_the_query(values: dict[str, str]) -> None:
    """What is encoded by the rules comes back as it was."""
    text = "&".join(f"p{number}={quote(value, safe='')}" for number, value in enumerate(values.values()))
    assert list(exchange(query=text).query.values()) == list(values.values())


def test_a_query_of_too_many_parameters_is_refused_and_not_cut_in_silence() -> None:
    """Two hundred are taken."""
    assert read(exchange(part(b""), query="&".join(f"a{n}=1" for n in range(200)))) == b""
    made = exchange(part(b""), query="&".join(f"a{n}=1" for n in range(201)))
    with pytest.raises(InvalidError, match="more than 200"):
        read(made)


@pytest.mark.parametrize(("text", "value"), [("", 7), ("1", 1), ("50", 50), ("51", 50), ("0007", 7), ("9" * 18, 50)])
def test_a_number_in_the_query_is_cut_to_the_most(text: str, value: int) -> None:
    """Nothing means the default."""
    assert exchange(query=f"maxPageSize={text}").number("maxPageSize", default=7, least=1, most=50) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "x", "%C2%B2", "%D9%A3", "9" * 19, "+5", "1e3", " "])
def test_what_is_no_number_is_refused(text: str) -> None:
    """With the parameter's name."""
    with pytest.raises(InvalidError) as invalid:
        exchange(query=f"maxPageSize={text}").number("maxPageSize", default=7, least=1, most=50)
    assert invalid.value.target == "maxPageSize"
