"""What a line of the table of routes says; the table itself is api.routes.

Rule P. The one description from which come the routes, the checks of bodies and scopes, and /openapi.json.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from shared.errors import AppError


class Limited(StrEnum):
    """By what a route is limited."""

    CALLER = "caller"
    """By who asks, or by the address of whoever has no valid credential."""

    JOURNAL = "journal"
    """The same, but a known caller's limit is taken along with the journal."""

    SIGN_IN = "sign_in"
    """By the address, and not at all without Redis."""

    NOBODY = "nobody"
    """Not: supervisors ask for it."""


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: how it is checked, and how it is documented where that differs."""

    check: TypeAdapter[Any]
    documented: TypeAdapter[Any]
    batch: bool = False
    """A batch may be larger and is checked item by item."""

    required: bool = True
    loose: bool = False
    """Of a contract that was taken over: an object, or what counts as an empty one; the resource judges."""


def body(kind: Any, *, documented: Any = None, batch: bool = False, required: bool = True) -> Body:
    """Describe a body of type `kind`."""
    check: TypeAdapter[Any] = TypeAdapter(kind)
    return Body(
        check, check if documented is None else TypeAdapter(documented), batch=batch, required=required
    )


Refusal = Callable[[AppError], tuple[int, Any]]
"""How an error is told: the status and the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    resource: str
    """The name of the resource in api.app, whose `on_<method>[_suffix]` answers."""

    about: str
    """One sentence for the documentation."""

    scope: str | None = None
    """What the caller must hold; None means that anybody may ask."""

    here: bool = False
    """Only for callers on this machine (api.own_machine); where a scope is demanded they need no credential for it."""

    suffix: str | None = None
    area: str = ""
    also: tuple[str, ...] = ()
    """Paths of other operations that hide a value of this one's last parameter; there it answers to its method too."""

    body: Body | None = None
    query: TypeAdapter[Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that are read, with their meaning."""

    limited: Limited = Limited.CALLER

    secret: bool = False
    """An answer holds a credential, so it is never compressed (see api.middleware.compression)."""

    answers: Mapping[int, Any] = field(default_factory=dict)
    """Status of success to the type of its body; None for an empty one, a text for a media type."""

    errors: tuple[type[AppError], ...] = ()
    """Errors of its own, beyond those that follow from scope, body and path."""

    refusal: Refusal | None = None
    """Of a contract that was taken over: how it tells errors. None for the one format."""


def answers_json(operation: Operation) -> bool:
    """Whether an answer of success has a body, and that is JSON."""
    return any(kind is not None and not isinstance(kind, str) for kind in operation.answers.values())


Table = tuple[Operation, ...]
Lookup = Mapping[tuple[str, str], Operation]


def lookup(table: Table) -> Lookup:
    """Index a table by (path, method). HEAD is answered as GET, and asks for the same."""
    found = {
        (path, operation.method): operation
        for operation in table
        for path in (operation.path, *operation.also)
    }
    heads = {(path, "HEAD"): operation for (path, method), operation in found.items() if method == "GET"}
    return {**heads, **found}
