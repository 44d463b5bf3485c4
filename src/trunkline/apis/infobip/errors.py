"""Errors as an ApiError, in JSON or XML: which code, what to do, and every violation with the property it is of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.responses import Response

from trunkline.api.door import json_response, retry_header, status_of
from trunkline.api.exchange import Exchange
from trunkline.errors import InvalidError, TrunklineError

_DOCUMENTATION = "https://www.infobip.com/docs/essentials/"
_INVALID = ("Request cannot be processed.", "Check the syntax, violations and adjust the request.", ())
_SAID: dict[int, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    400: _INVALID,
    401: (
        "The request lacks valid authentication credentials for the requested resource.",
        "Check the resources and adjust authentication credentials.",
        (("API Authentication", f"{_DOCUMENTATION}api-authentication"),),
    ),
    403: (
        "Insufficient permissions to access the requested resource.",
        "Repeat the request with new or different credentials.",
        (("API Scopes", f"{_DOCUMENTATION}api-essentials/api-authorization#api-scopes"),),
    ),
    404: (
        "Not found - request URL doesn't exist on the API server or resource is not found.",
        "Check the resources and adjust your request.",
        (),
    ),
    429: (
        "Too many requests sent.",
        "Check request rate limit specified in the API endpoint documentation resource.",
        (("Throttling handling errors", f"{_DOCUMENTATION}integration-best-practices#throttling-handling-errors"),),
    ),
    500: ("Something went wrong.", "Contact the support.", ()),
    503: ("The service is not available now.", "Repeat the request later.", ()),
}
_XML = "application/xml"
_ILLEGAL = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def invalid(violations: Iterable[tuple[str, str]]) -> InvalidError:
    """Return the error that tells all that is wrong with a request at once."""
    found = list(violations)
    return InvalidError("; ".join(f"{name}: {text}" for name, text in found[:10]), target=found[0][0], violations=found)


def render(exchange: Exchange, error: TrunklineError) -> Response:
    """Render an error of ours; `facts["violations"]` are those of an invalid request."""
    status = status_of(error)
    description, action, resources = _SAID.get(status, _INVALID if status < 500 else _SAID[500])
    violations = error.facts.get("violations") or _violation(status, error)
    body = {
        "errorCode": f"E{status}",
        "description": description,
        "action": action,
        "violations": [{"property": name, "violation": text} for name, text in violations],
        "resources": [{"name": name, "url": url} for name, url in resources],
    }
    headers = retry_header(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'App realm="trunkline", Basic realm="trunkline"'
    if "allowed" in error.facts:
        headers["Allow"] = ", ".join(error.facts["allowed"])
    if _wants_xml(exchange.headers.get("accept", "")) and status != 400:
        return Response(_xml(body), status, headers, media_type=_XML)
    return json_response(body, status, headers)


def _violation(status: int, error: TrunklineError) -> list[tuple[str, str]]:
    """Return what an error says as a violation; the original has none where nobody is let in."""
    if status >= 500 and status != 501:
        return []
    return [(error.target or "request", error.message)]


def _wants_xml(accept: str) -> bool:
    """Tell whether XML is asked for, and JSON is not."""
    asked = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return _XML in asked and not {"application/json", "*/*"} & set(asked[: asked.index(_XML)])


def _xml(body: dict[str, Any]) -> bytes:
    root = Element("ApiError")
    for name in ("errorCode", "description", "action"):
        SubElement(root, name).text = _legal(body[name])
    for plural, singular in (("violations", "violation"), ("resources", "resource")):
        those = SubElement(root, plural)
        for one in body[plural]:
            part = SubElement(those, singular)
            for name, text in one.items():
                SubElement(part, name).text = _legal(text)
    return bytes(tostring(root, encoding="UTF-8", xml_declaration=True))


def _legal(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
