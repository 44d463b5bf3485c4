"""Errors in Twilio's body: `{code, message, more_info, status}`, the code and the status apart."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from trunkline.api.door import json_response, retry_header, status_of
from trunkline.errors import ForbiddenError, InvalidError, NotFoundError, TrunklineError

BAD_PARAMETER = 20001
NO_ACCESS = 17000
NOT_COMPLETE = 17001
BAD_QUERY = 17400
DOCUMENTED = "https://www.twilio.com/docs/errors/"
# codes of the original where it has one for the status; what it has none for gets the one nearest to it
CODES = {
    400: BAD_PARAMETER,
    401: 20003,
    403: NO_ACCESS,
    404: 20404,
    405: 20004,
    429: 20429,
    501: 20404,
    503: 20503,
}
INTERNAL = 17009


def render(error: TrunklineError) -> Response:
    """Render an error of ours; `facts["code"]` overrules the usual code of its status.

    There is no `type` and no `title`: with these the SDK for Python takes the body for another kind of error.
    """
    status = status_of(error)
    code = error.facts.get("code") or CODES.get(status, BAD_PARAMETER if status < 500 else INTERNAL)
    body: dict[str, Any] = {
        "code": code,
        "message": error.message,
        "more_info": f"{DOCUMENTED}{code}",
        "status": status,
    }
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    return json_response(body, status, headers)


def bad(name: str, sentence: str) -> InvalidError:
    """Return the error for a parameter that cannot be."""
    return InvalidError(f"Invalid parameter {name}: {sentence}", target=name, code=BAD_PARAMETER)


def bad_query(name: str, sentence: str) -> InvalidError:
    """Return the error for a filter that asks for what cannot be."""
    return InvalidError(f"Invalid query parameter {name}: {sentence}", target=name, code=BAD_QUERY)


def no_access(sentence: str) -> ForbiddenError:
    """Return the error for another account's data."""
    return ForbiddenError(f"Forbidden to access data: {sentence}", code=NO_ACCESS)


def not_found(path: str) -> NotFoundError:
    """Return the error for something that is not there."""
    return NotFoundError(f"The requested resource {path} was not found")
