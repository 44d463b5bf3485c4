"""Errors in Azure's bodies: nested `{"error": {code, message}}`, and flat `{code, message}` where metrics are asked."""

from __future__ import annotations

from starlette.responses import Response

from trunkline.api.door import json_response, retry_header, status_of
from trunkline.api.exchange import Exchange
from trunkline.errors import TrunklineError

CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    421: "MisdirectedRequest",
    429: "TooManyRequests",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
# the metrics provider answers these itself; everything before it is the resource manager's
_FLAT = {"Metrics_List", "MetricDefinitions_List", "MetricNamespaces_List"}


def render(exchange: Exchange, error: TrunklineError, challenge: str) -> Response:
    """Render an error of ours; `facts["code"]` overrules the usual code of its status.

    `challenge` is what a 401 says in WWW-Authenticate. A batch also names the code in a header.
    """
    status = status_of(error)
    usual = CODES.get(status, "InternalServerError")
    if status == 400 and exchange.service is not None and exchange.service.name == "event_grid":
        usual = "InvalidRequest"
    body = {"code": error.facts.get("code") or usual, "message": error.message}
    operation = exchange.operation.name if exchange.operation else ""
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = challenge
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    if operation == "Metrics_Batch":
        headers["x-ms-error-code"] = body["code"]
    if status in {400, 413} and operation in _FLAT:
        return json_response(body, status, headers)
    return json_response({"error": body}, status, headers)
