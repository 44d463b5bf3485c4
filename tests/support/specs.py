"""Answers held against a vendor's own description: every key, type, enumeration and format."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

SPECS = Path(__file__).parents[1] / "specs"
TWILIO = SPECS / "twilio" / "twilio_insights_v1.json"
_formats = FormatChecker(formats=())


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    """Tell whether the SDKs read a moment: they take whole seconds in UTC only."""
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) is not None


@_formats.checks("uri")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"https?://[^\s/]+/\S+", value) is not None


@cache
def twilio() -> dict[str, Any]:
    """Read Twilio's description of Insights v1."""
    found: dict[str, Any] = json.loads(TWILIO.read_text(encoding="utf-8"))
    return found


def misfits(method: str, path: str, answer: Any) -> list[str]:
    """List where an answer is not what the description of its operation says; every property must be there."""
    template = next(name for name in sorted(twilio()["paths"], key=_width) if _fits(name, path))
    schema = _answer_schema(method.lower(), template)
    found = [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in schema.iter_errors(answer)]
    return found + [wrong for item, kind in _items(method.lower(), template, answer) for wrong in _keys(item, kind)]


def _width(template: str) -> tuple[int, str]:
    return template.count("{"), template


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", template), path) is not None


@cache
def _answer_schema(method: str, template: str) -> Draft202012Validator:
    schema = _declared(method, template)
    components = {"schemas": {name: _plain(one) for name, one in twilio()["components"]["schemas"].items()}}
    return Draft202012Validator({**_plain(schema), "components": components}, format_checker=_formats)


def _declared(method: str, template: str) -> dict[str, Any]:
    responses = twilio()["paths"][template][method]["responses"]
    found: dict[str, Any] = next(responses[status] for status in responses if status.startswith("2"))["content"][
        "application/json"
    ]["schema"]
    return found


def _items(method: str, template: str, answer: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Return the things in an answer, each with its kind."""
    schema = _declared(method, template)
    if "$ref" in schema:
        return [(answer, _named(schema))]
    (key,) = set(schema["properties"]) - {"meta"}
    kind = _named(schema["properties"][key]["items"])
    return [(answer["meta"], schema["properties"]["meta"]), *((item, kind) for item in answer[key])]


def _named(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = twilio()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _keys(item: dict[str, Any], kind: dict[str, Any]) -> list[str]:
    known = set(kind["properties"])
    return [f"{key} is missing" for key in known - set(item)] + [f"{key} is too much" for key in set(item) - known]


def _plain(schema: Any) -> Any:
    """Write what OpenAPI 3.0 says of nothing as JSON Schema does."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _plain(value) for key, value in schema.items() if key not in {"nullable", "example", "examples"}}
    if not schema.get("nullable"):
        return {"$ref": found["$ref"]} if "$ref" in found else found
    if "$ref" in found:
        return {"anyOf": [{"$ref": found["$ref"]}, {"type": "null"}]}
    return {"anyOf": [found, {"type": "null"}]} if "type" in found else found
