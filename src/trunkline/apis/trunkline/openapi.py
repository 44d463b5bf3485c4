"""Trunkline's own API described as OpenAPI 3.1, from the catalogue's rows and the shapes that are read and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from trunkline.api.door import Handler
from trunkline.api.exchange import Exchange
from trunkline.apis.trunkline import answers, errors, fact_examples
from trunkline.apis.trunkline.body import MOST_FACTS
from trunkline.apis.trunkline.ingest import OPERATIONS
from trunkline.apis.trunkline.posted import EXAMPLES
from trunkline.apis.trunkline.shapes import posted
from trunkline.apis.trunkline.tabled import ARROW, PARQUET
from trunkline.apis.trunkline.told import ANY, IN_PATH, TEXT, TOLD, ZIP, ConnectionOf, Given, Told
from trunkline.catalogue.columns import Column, columns
from trunkline.catalogue.facts import Fact
from trunkline.catalogue.rows import Catalogue, Operation

MEDIA_TYPE = "application/json; charset=utf-8"
JSON, NDJSON = "application/json", "application/x-ndjson"
_REF = "#/components/schemas/{name}"
_ALLOWED = {
    "read": "an API key with the role read or admin; any bearer",
    "write": "an API key with the role write or admin; a contributor's or owner's bearer",
    "change": "an API key with the role admin; a contributor's or owner's bearer",
    "admin": "an API key with the role admin; an owner's bearer",
}
_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (of an account, or one with a role), or a bearer that POST /api/v1/tokens mints.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
_REFUSALS = {
    "400": "The request is not valid: the sentence says where and why.",
    "401": "The API key or bearer is missing, unknown, revoked or expired.",
    "403": "The caller may not do this, or not for this account.",
    "404": "There is no such thing, or no account of that name.",
    "409": "The state of things does not allow it.",
    "413": "The body is larger than the server takes.",
    "503": "It cannot be done now; Retry-After says when to come back.",
}
_INFO = (
    "What others measured goes in (requests, calls, samples, call events, messages); questions, the facts themselves, "
    "accounts and keys come out. Errors are problem details (RFC 9457)."
)


class OpenApiHandlers:
    """The operation that describes the API; `connection` is the shape of what a client needs to connect."""

    def __init__(self, catalogue: Catalogue, version: str, connection: type) -> None:
        self._parts = catalogue, version, connection
        self._made = b""

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each operation."""
        return {"GetOpenApi": self.get}

    async def get(self, _exchange: Exchange) -> Response:
        """Give the description; it is the same as long as the server runs."""
        self._made = self._made or msgspec.json.encode(document(*self._parts))
        return Response(self._made, media_type=MEDIA_TYPE)


def document(catalogue: Catalogue, version: str, connection: type) -> dict[str, Any]:
    """Return the description of every operation."""
    service = catalogue.services["api"]
    schemas = _schemas(connection)
    paths: dict[str, dict[str, Any]] = {}
    for row in service.operations.values():
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, connection)
    made = {
        "openapi": "3.1.0",
        "info": {"title": service.title, "version": version, "description": _INFO},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": _SECURITY,
            "responses": {"Problem": _problem("An error.")},
        },
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))  # defaults are tuples in our own classes
    return plain


# --- operations ---


def _operation(row: Operation, connection: type) -> dict[str, Any]:
    told = TOLD[row.name]
    found: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.brief,
        "tags": [row.path.removeprefix("/api/v1").split("/")[1]],
        "parameters": [
            *(_parameter(IN_PATH[name], "path") for name in _in_path(row)),
            *(_parameter(one, "query") for one in told.query),
            *(_parameter(one, "header") for one in told.headers),
        ],
        "responses": _responses(row, told, connection),
    }
    if row.auth == "open":
        found["security"] = []
    else:
        found["description"] = f"Needs {_ALLOWED[row.needed]}; or an account's own API key."
    if row.name in OPERATIONS:
        found["requestBody"] = _facts_body(row.name)
    elif told.takes_file:
        found["requestBody"] = {"required": True, "content": {ANY: {}}}
    elif told.body is not None:
        fields = msgspec.structs.fields(told.body)
        found["requestBody"] = {
            "required": any(field.required for field in fields),
            "content": {JSON: {"schema": _ref(told.body)}},
        }
    return found


def _in_path(row: Operation) -> list[str]:
    return [part[1:-1] for part in row.path.split("/") if part.startswith("{")]


def _parameter(given: Given, where: str) -> dict[str, Any]:
    return {
        "name": given.name,
        "in": where,
        "required": given.is_needed or where == "path",
        "description": given.brief,
        "schema": given.schema,
    }


def _responses(row: Operation, told: Told, connection: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kinds in told.answers.items():
        found[str(status)] = {"description": _said(status)}
        if kinds:
            schemas = [_ref(connection if kind is ConnectionOf else kind) for kind in kinds]
            schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            form = {JSON: {"schema": schema}}
            if {TEXT, ANY, ZIP} & {*told.media}:
                form = {}
            form |= {media: {} if media in _BYTES else {"schema": {"type": "string"}} for media in told.media}
            found[str(status)]["content"] = form
    if row.auth != "open":
        found |= {status: _problem(why) for status, why in _REFUSALS.items() if status not in found}
    return found | {"default": {"$ref": "#/components/responses/Problem"}}


_BYTES = {ARROW, PARQUET, ANY, ZIP}


def _said(status: int) -> str:
    return {201: "It is made.", 202: "It is on its way.", 204: "It is gone.", 503: "Not now."}.get(
        status, "The answer."
    )


def _problem(why: str) -> dict[str, Any]:
    return {"description": why, "content": {errors.MEDIA_TYPE: {"schema": _ref(answers.Problem)}}}


def _facts_body(name: str) -> dict[str, Any]:
    one = _ref(posted(OPERATIONS[name]))
    return {
        "required": True,
        "description": f"At most {MOST_FACTS} facts; each that cannot be taken is named in the answer.",
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "One JSON object a line."}, "example": EXAMPLES[name]},
            JSON: {"schema": {"anyOf": [{"type": "array", "minItems": 1, "maxItems": MOST_FACTS, "items": one}, one]}},
            ARROW: {},
        },
    }


# --- schemas ---


def _ref(kind: Any) -> dict[str, Any]:
    """Return the reference to a shape, or the schema itself of what is no shape."""
    found: dict[str, Any] = msgspec.json.schema_components([kind], ref_template=_REF)[0][0]
    return found


def _schemas(connection: type) -> dict[str, Any]:
    kinds: list[Any] = [answers.Problem, connection]
    for told in TOLD.values():
        kinds += [told.body] if told.body is not None else []
        kinds += [kind for each in told.answers.values() for kind in each if kind is not ConnectionOf]
    kinds += [posted(kind) for kind in OPERATIONS.values()]
    found: dict[str, Any] = msgspec.json.schema_components(kinds, ref_template=_REF)[1]
    for kind in OPERATIONS.values():
        name = posted(kind).__name__
        found[name] = fact_schema(kind, found[name])
    return found


def fact_schema(kind: type[Fact], bare: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a posted fact with what each field holds, its unit, and examples."""
    whole = fact_examples.whole(kind)
    known = columns(kind)
    fields = {name: _field(known[name], schema, whole.get(name)) for name, schema in bare["properties"].items()}
    line = next(EXAMPLES[name] for name, one in OPERATIONS.items() if one is kind)
    return {
        **bare,
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": fields,
        "examples": [msgspec.json.decode(line), whole],
    }


def _field(column: Column, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"description": column.brief}
    if example is not None:
        said["examples"] = [example]
    if column.default:  # what is kept when nothing is given
        said["default"] = column.default
    if column.unit:
        said["x-unit"] = column.unit
    if column.of is datetime:
        said["anyOf"] = [{"type": "string", "format": "date-time"}, {"type": "null"}]
    elif "anyOf" in schema:
        said["anyOf"] = [_spelled(part) for part in schema["anyOf"]]
    return {**_spelled(schema), **said}


def _spelled(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose pattern ends as JavaScript spells it."""
    return {**schema, "pattern": schema["pattern"].replace(r"\Z", "$")} if "pattern" in schema else schema
