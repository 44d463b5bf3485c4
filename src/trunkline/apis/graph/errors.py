"""Errors in Graph's body: `{"error": {code, message, innerError: {date, request-id, client-request-id}}}`."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import json_response, retry_header, status_of
from trunkline.api.exchange import Exchange
from trunkline.errors import TrunklineError

CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Authorization_RequestDenied",
    404: "Request_ResourceNotFound",
    405: "Request_BadRequest",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    421: "MisdirectedRequest",
    429: "TooManyRequests",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
LONGEST_ECHO = 256


def render(exchange: Exchange, error: TrunklineError) -> Response:
    """Render an error of ours; `facts["code"]` overrules the usual code of its status."""
    status = status_of(error)
    body = {
        "code": error.facts.get("code") or CODES.get(status, "InternalServerError"),
        "message": error.message,
        "innerError": {
            "date": exchange.at.strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": exchange.request_id,
            "client-request-id": client_request_id(exchange),
        },
    }
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="", error="invalid_token"'
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    return json_response({"error": body}, status, headers)


def client_request_id(exchange: Exchange) -> str:
    """Return the client's own id of the request, or ours when it sent none that can be given back."""
    given = exchange.headers.get("client-request-id", "")
    fits = given and len(given) <= LONGEST_ECHO and given.isascii() and given.isprintable()
    return given if fits else exchange.request_id
