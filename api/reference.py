"""The page docs/errors.md: tables of error codes and scopes, printed by `python -m api.reference`.

Rule P. The tables are what the code has; a test compares the page with this, so that neither can go its own way.
"""

import sys
from collections.abc import Iterator
from typing import Final

from api import app, http_server
from api.openapi import errors_of
from api.routes import DEVELOPMENT, TABLE
from api.routing import Operation
from shared.auth.principal import KEY_SCOPES, SCOPES
from shared.errors import AppError

_SPEAKERS: Final = (app, http_server)
"""Importing these declares every error that the api can answer with."""

_OURS: Final = ("api.", "shared.")

_HEAD: Final = """\
# Errors and scopes

Made by `python -m api.reference > docs/errors.md`; a test holds the two together.

## Errors

Every answer that is no success has one form:

```json
{"error": {"code": "invalid_request", "message": "ttl: Must be a whole number.",
           "detail": [{"field": "ttl", "message": "Must be a whole number."}],
           "retryable": false, "request_id": "order-17"}}
```

`code` is for programs and does not change; `message` is for people and may. `detail` is there where it helps: for
`invalid_request` and `not_supported` it lists each field by its place in the body (`to.users[3]`), in the query, or by
the name of the header. `retryable` says whether the same request may succeed later; with `429` and `503` the header
`Retry-After` says in how many seconds. `request_id` is the one of the header `X-Request-Id` and of the log.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_errors(), "", *_scopes(), ""])


def every_error() -> list[type[AppError]]:
    """Return one class for each code, the most general one, by status and code."""
    found: dict[str, type[AppError]] = {}
    for kind in _tree(AppError):
        if kind is not AppError and kind.__module__.startswith(_OURS):
            found.setdefault(kind.code, kind)
    return sorted(found.values(), key=lambda kind: (kind.status, kind.code))


def _tree(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _tree(each)


def _errors() -> Iterator[str]:
    yield "| status | code | retryable | meaning | said by |"
    yield "|---|---|---|---|---|"
    for kind in every_error():
        retryable = "yes" if kind.retryable else "no"
        yield f"| {kind.status} | `{kind.code}` | {retryable} | {kind.title} | {_said_by(kind)} |"


def _said_by(kind: type[AppError]) -> str:
    """Tell where an error is heard; routes by name only where they are few."""
    if kind is http_server.TargetTooLong:
        return "the server, before any route"
    table = (*TABLE, *DEVELOPMENT)
    routes = [each for each in table if kind.code in {error.code for error in errors_of(each)}]
    if not routes:
        return "any path" if kind.status in (404, 405) else "no route yet"
    few = 3
    if len(routes) > few:
        return "most routes"
    return ", ".join(_name(each) for each in routes)


def _name(operation: Operation) -> str:
    return f"`{operation.method} {operation.path}`"


def _scopes() -> Iterator[str]:
    yield "## Scopes"
    yield ""
    yield "What a credential may do. A user's token always has those of the inbox and those of `BELLHOP_USER_SCOPES`"
    yield "(in development `messages:write`, `everyone:write` and `presence:read`); others stand in its claim `scope`,"
    yield "separated by spaces. Those of an API key are chosen when it is made."
    yield ""
    yield "| scope | an API key can hold it | meaning |"
    yield "|---|---|---|"
    for name, about in SCOPES.items():
        yield f"| `{name}` | {'yes' if name in KEY_SCOPES else 'no'} | {about} |"


if __name__ == "__main__":
    sys.stdout.write(page())
