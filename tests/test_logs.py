"""Logs: text or JSON lines, in UTC, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from trunkline import logs

VECTOR = "086swaAm0cETr8aApp8sGg.0"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Give the process its own logging back."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = kept
    root.setLevel(level)


def logged(form: str, message: str, *parts: object, **given: object) -> str:
    """Log one line in a form and return what was written."""
    stream = io.StringIO()
    logs.configure(form, "info", stream)
    logging.getLogger("trunkline.test").warning(message, *parts, **given)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("told", "secret"),
    [
        ("endpoint=https://localhost:8443/;accesskey=c2VjcmV0c2VjcmV0c2VjcmV0==", "c2VjcmV0"),
        ("SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=c2VjcmV0+/8=", "c2VjcmV0"),
        ("authorization: Bearer abc.def-ghi_jkl", "abc.def-ghi_jkl"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln was refused", "eyJzdWIiOiJ4In0"),
        ("posted to https://hooks.example/api?code=tops3cret&x=1", "tops3cret"),
        ("{'X-API-Key': 'tops3cret'}", "tops3cret"),
    ],
)
def test_a_secret_never_reaches_the_log(form: str, told: str, secret: str) -> None:
    """Even what somebody logs by mistake is masked, in the message and in a traceback."""
    assert secret not in logged(form, "%s", told)
    try:
        raise ValueError(told)  # noqa: TRY301 - what is caught here is the traceback
    except ValueError:
        written = logged(form, "it failed", exc_info=True)
    assert "ValueError" in written
    assert secret not in written


def test_a_json_line_carries_the_vector_as_a_field() -> None:
    """A program finds every line about a request by its MS-CV."""
    line = json.loads(logged("json", "%s %s %s %d", VECTOR, "GET", "/chat/threads", 404))
    assert line["ms_cv"] == VECTOR
    assert line["message"] == "GET /chat/threads 404"
    assert line["level"] == "warning"
    assert line["at"].endswith("Z")


def test_a_line_without_a_request_has_no_vector() -> None:
    """Lines about the server itself carry none."""
    assert "ms_cv" not in json.loads(logged("json", "stopping"))


def test_a_message_stays_on_one_line() -> None:
    """Nobody can make a line up by sending a line break."""
    assert logged("text", "%s", "a\n2026-01-01 error forged").count("\n") == 1
