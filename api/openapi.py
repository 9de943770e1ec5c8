"""The OpenAPI 3.1 document, made from the table of routes and the schemas.

Rule P. Written by nobody, so it cannot say anything else than what the routes do; every error is in it with its codes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api import openapi_headers
from api.acceptance import KEY_HEADER
from api.routing import Limited, Operation, Table, answers_json
from api.schemas.caps import CAP_ID
from api.schemas.common import USER_ID, ErrorAnswer
from api.schemas.segments import SEGMENT_NAME
from api.schemas.topics import PATTERN
from shared.auth.principal import SCOPES
from shared.auth.tokens import TokenExpired, TokenInvalid
from shared.db import DatabaseUnavailable
from shared.errors import (
    AppError,
    BodyTooLarge,
    Forbidden,
    Internal,
    InvalidRequest,
    MalformedBody,
    NotAcceptable,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
)

_REF: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")
_ABOUT: Final = (
    "Send notifications, follow them, and read inboxes. Every answer carries `X-Request-Id`; a request may bring its"
    " own. Times are RFC 3339 in UTC, durations seconds. Unknown fields are refused."
)
_PHRASES: Final = {
    200: "Done.",
    201: "Created.",
    202: "Accepted.",
    204: "Done; there is nothing to say.",
    304: "It has not changed.",
}
_ENCODED: Final = {
    "user": "A user id, percent-encoded: `%2F` is a slash within it.",
    "topic": "A topic or wildcard, percent-encoded: `%2F` is a slash within it, `%23` the `#` at its end.",
}
_SHAPES: Final[Mapping[str, TypeAdapter[str]]] = {
    "user": USER_ID,
    "topic": PATTERN,
    "name": SEGMENT_NAME,
    "caps": CAP_ID,
}
"""Of parameters of the path, by name; an `id` by whose it is. Other ids are any text, and what is none is not found."""
_ANY_ID: Final = TypeAdapter(str)
_HEADERS: Final = {KEY_HEADER: {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]*$"}}
_MEDIA: Final = "application/json"
Document = dict[str, Any]


def document(table: Table, *, version: str) -> Document:
    """Describe the operations of `table`."""
    schemas = _Schemas(table)
    paths: dict[str, Document] = {}
    for operation in table:
        path = paths.setdefault(_PARAMETER.sub(r"{\1}", operation.path), {})
        path[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bellhop", "version": version, "description": _ABOUT},
        "tags": [{"name": area} for area in dict.fromkeys(operation.area for operation in table)],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "headers": openapi_headers.HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key or a user's token. Scopes: "
                    + " ".join(f"`{name}`: {about}" for name, about in SCOPES.items()),
                }
            },
        },
    }


def errors_of(operation: Operation) -> tuple[type[AppError], ...]:
    """Return every error that an operation may answer, those that follow from what it demands and takes included."""
    found: list[type[AppError]] = list(operation.errors)
    if operation.limited is not Limited.NOBODY:
        found.append(TooManyRequests)
    if operation.scope is not None:
        # Whether a key is good stands in the database.
        found += [Unauthenticated, TokenInvalid, TokenExpired, Forbidden, DatabaseUnavailable]
    if operation.area == "Development":
        found.append(Forbidden)
    if _PARAMETER.search(operation.path):
        # Also said of a text in the path that can be nobody's.
        found.append(NotFound)
    if operation.body is not None:
        found += [MalformedBody, BodyTooLarge, UnsupportedMediaType, InvalidRequest]
    if operation.query is not None:
        found.append(InvalidRequest)
    if answers_json(operation):
        found.append(NotAcceptable)
    return tuple(dict.fromkeys([*found, Internal]))


class _Schemas:
    """All shapes at once, so that a shape that is used twice is described once."""

    def __init__(self, table: Table) -> None:
        inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = []
        for operation in table:
            if operation.body is not None:
                inputs.append((id(operation.body), "validation", operation.body.documented))
            if operation.query is not None:
                inputs.append((id(operation.query), "validation", operation.query))
            for name in _PARAMETER.findall(operation.path):
                shape = _shape(operation, name)
                inputs.append((id(shape), "validation", shape))
            kinds = [kind for kind in operation.answers.values() if isinstance(kind, type)]
            inputs += [(kind, "serialization", TypeAdapter(kind)) for kind in kinds]
        inputs.append((ErrorAnswer, "serialization", TypeAdapter(ErrorAnswer)))
        self._found, found = TypeAdapter.json_schemas(inputs, ref_template=_REF)
        self.definitions: Document = found.get("$defs", {})

    def of(self, key: Any, mode: JsonSchemaMode) -> Document:
        """Return the schema of one input, mostly a reference."""
        return self._found[key, mode]

    def query(self, operation: Operation) -> Document:
        """Return the object whose properties are the parameters of the query."""
        schema = self.of(id(operation.query), "validation")
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        resolved: Document = self.definitions[name] if name else schema
        return resolved


def _operation(operation: Operation, schemas: _Schemas) -> Document:
    found: Document = {
        "operationId": "_".join(
            filter(None, (operation.method.lower(), operation.resource, operation.suffix))
        ),
        "tags": [operation.area],
        "summary": operation.about,
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
        "security": [{"bearer": [operation.scope]}] if operation.scope else [],
    }
    if operation.body is not None:
        schema = schemas.of(id(operation.body), "validation")
        found["requestBody"] = {
            "required": operation.body.required,
            "content": {_MEDIA: {"schema": schema}},
        }
    return found


def _parameters(operation: Operation, schemas: _Schemas) -> list[Document]:
    found: list[Document] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            **({"description": _ENCODED[name]} if name in _ENCODED else {}),
            "schema": {"minLength": 1, **schemas.of(id(_shape(operation, name)), "validation")},
        }
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query is not None:
        properties: Mapping[str, Document] = schemas.query(operation)["properties"]
        found += [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in properties.items()
        ]
    found += [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": about,
            "schema": _HEADERS.get(name, {"type": "string"}),
        }
        for name, about in operation.headers.items()
    ]
    return found


def _shape(operation: Operation, name: str) -> TypeAdapter[str]:
    return _SHAPES.get(operation.resource if name == "id" else name, _ANY_ID)


def _responses(operation: Operation, schemas: _Schemas) -> Document:
    found: Document = {}
    for status, kind in operation.answers.items():
        answer: Document = {"description": _PHRASES.get(status, "Not now.")}
        if isinstance(kind, str):
            answer["content"] = {kind: {}}
        elif kind is not None:
            answer["content"] = {_MEDIA: {"schema": schemas.of(kind, "serialization")}}
        found[str(status)] = answer
    by_status: dict[int, list[type[AppError]]] = {}
    for error in errors_of(operation):
        by_status.setdefault(error.status, []).append(error)
    for status, errors in sorted(by_status.items()):
        if str(status) not in found:
            found[str(status)] = _refusal(errors, schemas)
    for told, answer in found.items():
        answer["headers"] = openapi_headers.of_answer(operation, int(told))
    return found


def _refusal(errors: list[type[AppError]], schemas: _Schemas) -> Document:
    return {
        "description": " ".join(f"`{error.code}`: {error.title}" for error in errors),
        "content": {_MEDIA: {"schema": schemas.of(ErrorAnswer, "serialization")}},
    }
