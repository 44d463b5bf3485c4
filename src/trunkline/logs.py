"""Logs: text or JSON lines on stderr, times in UTC, and nothing in them that is secret."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from trunkline.clock import rfc3339

MASK = "***"
# the second line of defence: what is secret is not logged in the first place
_SECRETS = [
    (re.compile(r"(?i)(accesskey=)[A-Za-z0-9+/=_-]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)(signature=)[A-Za-z0-9+/=%_-]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)(x-api-key['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)([?&](?:sig|signature|code|key|token|secret|password)=)[^&\s'\"]+"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}"), MASK),
]
_VECTOR = re.compile(r"(?P<vector>[A-Za-z0-9+/]{22}\.\d+) ")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# libraries that tell at `info` what is no news to an operator
_QUIET = ("uvicorn", "uvicorn.error", "asyncio", "aiohttp", "alembic")


def mask(text: str) -> str:
    """Return a text without access keys, signatures, bearers and tokens."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class Text(logging.Formatter):
    """A line for people: time, level, message; the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        # what somebody sent must not look like a line of ours
        message = _CONTROL.sub(" ", record.getMessage())
        line = f"{_moment(record)} {record.levelname.lower():7} {message}"
        return mask(line + _trouble(self, record))


class Lines(logging.Formatter):
    """One JSON object a line; `ms_cv` finds the request that the line is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        message = record.getMessage()
        fields: dict[str, Any] = {"at": _moment(record), "level": record.levelname.lower(), "logger": record.name}
        if found := _VECTOR.match(message):
            fields["ms_cv"] = found["vector"]
            message = message[found.end() :]
        fields["message"] = mask(message)
        if trouble := _trouble(self, record):
            fields["trouble"] = mask(trouble.strip())
        return msgspec.json.encode(fields).decode()


def configure(form: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log of the process to the stream (stderr) in a form, text or json, from a level on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines() if form == "json" else Text())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _moment(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))


def _trouble(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "".join(f"\n{part}" for part in parts)
