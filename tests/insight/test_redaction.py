"""Redaction: whatever is secret is gone from a text, in whatever form it stands there."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.insight.redaction import GONE, Redactor

KEY = "pz3j9Q+/aB7xTq0WfVnN2k1mLr8s5uYcE4dHgJoPiA6ZyXb+KvRtMwSeCl/DhFOuQ=="
PASSWORD = "s3cret pass!/é"
FORMS = {
    "as it is": lambda text: text,
    "in an address": lambda text: quote(text, safe=""),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "in JSON as .NET writes it": lambda text: json.dumps(text)[1:-1].replace("+", r"\u002B"),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("secret", [KEY, PASSWORD])
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_that_is_known_is_gone_in_every_form(secret: str, form: str, before: str, after: str) -> None:
    """Wherever it stands, whatever stands around it."""
    written = FORMS[form](secret)
    left = Redactor([secret]).text(f"{before} {written} {after}")
    assert written not in left
    assert GONE in left


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer c2VjcmV0",
        "authorization: HMAC-SHA256 SignedHeaders=x-ms-date;host&Signature=c2VjcmV0",
        '"Authorization": "Basic c2VjcmV0"',
        r"{\"authorization\":\"App c2VjcmV0\/x\"}",
        "'authorization', 'Bearer c2VjcmV0'",
        "X-API-Key: c2VjcmV0",
        "sent with bearer c2VjcmV0c2VjcmV0",
        "endpoint=https://x.example/;accesskey=c2VjcmV0",
        "password=c2VjcmV0&x=1",
        '"client_secret": "c2VjcmV0"',
        "postgresql://user:c2VjcmV0@host/name",
        "POST https://hook.example/?code=c2VjcmV0",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\nc2VjcmV0",
        "token eyJhbGciOi.c2VjcmV0.c2VjcmV0",
        "TRUNKLINE_API_KEY=c2VjcmV0",
        "api_key: c2VjcmV0",
        '"account-key":"c2VjcmV0"',
        '"access_keys": ["c2VjcmV0", "c2VjcmV0=="], "a": 1',
        "trunkline health --api-key c2VjcmV0",
        "{'Authorization': b'App c2VjcmV0', 'A': b'b'}",
        "{b'auth_token': b'c2VjcmV0'}",
        '"password" => "c2VjcmV0"',
        "<password>c2VjcmV0</password>",
        "authorization=bearer%20c2VjcmV0c2VjcmV0",
    ],
)
def test_what_looks_like_a_secret_is_gone(line: str) -> None:
    """Though the server does not know it."""
    assert "c2VjcmV0" not in Redactor([]).text(f"before {line}")
    assert Redactor([]).text(f"before {line}").startswith("before ")


def test_objects_lose_what_their_names_say_is_secret() -> None:
    """And every text in them is looked at, names too."""
    row = {
        "password": "x",
        "auth_token": "x",
        "api_key": "x",
        "access_keys": ["x"],
        "extra": {"note": f"key {KEY}"},
        KEY: 1,
        "list": [KEY],
        "none": None,
    }
    left = Redactor([KEY]).value(row)
    assert left == {
        "password": GONE,
        "auth_token": GONE,
        "api_key": GONE,
        "access_keys": GONE,
        "extra": {"note": f"key {GONE}"},
        GONE: 1,
        "list": [GONE],
        "none": None,
    }


@given(st.text())
def test_a_text_without_secrets_and_names_for_them_stays(text: str) -> None:
    """Ids too: nothing is taken that looks like none."""
    kept = f"{text.translate({ord(c): None for c in ':=,@'})} 19:abcdefgh0123@thread.v2 pz3j9Q 2FCZCVqjABZaZwNvm1QNaw.0"
    if not any(word in kept.lower() for word in ("bearer", "basic", "key", "begin", "eyj", "tl_", "shared", "hmac")):
        assert Redactor([KEY]).text(kept) == kept


def test_bytes_that_are_no_text_tell_whether_they_hold_one() -> None:
    """Also as two bytes a letter, as Windows writes."""
    redactor = Redactor([KEY])
    assert redactor.knows(b"\x00\xff" + KEY.encode() + b"\x00")
    assert redactor.knows(b"\x00\xff" + KEY.encode("utf-16-le") + b"\x00")
    assert not redactor.knows(b"\x00\xff\x10" * 100)


def test_numbers_get_the_same_name_wherever_and_however_they_stand() -> None:
    """In ids, addresses and national form; other people's numbers are gone as well."""
    redactor = Redactor([], numbers=["+14255550123", "12345"])
    for text in (
        "+14255550123",
        "4:+14255550123",
        "%2B14255550123",
        "+1 (425) 555-0123",
        "425-555-0123",
        "14255550123",
    ):
        assert redactor.text(f"to {text}.").removeprefix("to ").removeprefix("4:") == "[number 1].", text
    assert redactor.text("+385911234567 ann@example.com ANN@example.com 12345") == (
        "[number 3] [address 2] [address 2] [number 4]"
    )
    for kept in (
        "19:abcdefgh0123@thread.v2",
        "2026-11-21T12:00:00.000000+01:00",
        "9f5cf1a5-0000-4000-8000-000000000001",
    ):
        assert redactor.text(kept) == kept


def test_texts_of_messages_are_gone_where_they_are_known_and_where_names_say_so() -> None:
    """Whole, in JSON, on one line, and cut."""
    text = 'Meet "Ann"\nat the old harbour, by the third boat from the left'
    redactor = Redactor([], texts=[text, "ok"])
    for written in (text, json.dumps(text), " ".join(text.split()), " ".join(text.split())[:45] + "…"):
        left = redactor.text(f"sent {written}")
        assert "harbour" not in left, written
        assert left.startswith("sent "), left
    assert "hello" not in redactor.text('{"content": "hello", "n": 1}')
    assert "hello" not in redactor.text(r"{\"message\":\"hello \\\"x\\\" there\"}")
    assert redactor.text("ok then") == "ok then"
