"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import retry_header, status_of
from trunkline.api.exchange import Exchange
from trunkline.errors import TrunklineError

MEDIA_TYPE = "application/problem+json"


def render(exchange: Exchange, error: TrunklineError) -> Response:
    """Render an error of ours; `instance` is the request's correlation vector, by which the logs find it."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "instance": f"urn:ms-cv:{exchange.ms_cv}",
    }
    if error.target:
        body["target"] = error.target
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="trunkline"'
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    return Response(msgspec.json.encode(body), status, headers, media_type=MEDIA_TYPE)
