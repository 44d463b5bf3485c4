"""Errors in the body that the SDKs read: `{"error": {"code", "message", "target"?}}`."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import json_response, retry_header, status_of
from trunkline.errors import TrunklineError

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    421: "MisdirectedRequest",
    429: "TooManyRequests",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


def code_of(error: TrunklineError) -> str:
    """Return the code of an error of ours; `facts["code"]` overrules the usual one of its status."""
    return str(error.facts.get("code") or CODES.get(status_of(error), "InternalServerError"))


def render(error: TrunklineError) -> Response:
    """Render an error of ours."""
    status = status_of(error)
    body = {"code": code_of(error), "message": error.message}
    if error.target:
        body["target"] = error.target
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = "HMAC-SHA256, Bearer"
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    return json_response({"error": body}, status, headers)
