"""Signs requests with an access key, as the SDKs do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from email.utils import format_datetime


def body_hash(body: bytes) -> str:
    """Return the base64 of a body's SHA-256."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def signed(method: str, target: str, host: str, body: bytes, key: str, now: datetime) -> dict[str, str]:
    """Return the headers that sign a request: `target` and `host` are what the client believes it sends."""
    date, content = format_datetime(now, usegmt=True), body_hash(body)
    message = f"{method}\n{target}\n{date};{host};{content}".encode()
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), message, "sha256")).decode()
    return {
        "x-ms-date": date,
        "x-ms-content-sha256": content,
        "authorization": f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
    }
