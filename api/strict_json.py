"""Bytes of a request body to Python values, refusing what two JSON readers could understand differently.

Rule P. orjson reads 250 bytes in 0.4 us and already refuses NaN, half surrogate pairs and bad UTF-8; what it lets pass
(duplicate keys, NUL, depth) is proved absent by counting, for another 1.5 us. A `json.loads` with a hook took 3.5 us,
and says neither where a fault is nor how deep.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import orjson

from api.json_faults import FaultKind, find_fault
from shared.errors import InvalidRequest, MalformedBody

MAX_DEPTH: Final = 32
"""Levels of `{` and `[` in a body."""

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
# In valid JSON a quote outside a string opens one, so reading left to right finds exactly the strings; the group is
# filled where a colon follows, which is where the string is a key.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"[ \t\n\r]*+(:?)', re.DOTALL)
_COLONS: Final = (b'":', b" :", b"\t:", b"\n:", b"\r:")


class _TooDeep(Exception):
    pass


def loads(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Read a body; MalformedBody if it is not JSON, InvalidRequest naming the field if it is JSON that we refuse."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _explain(body, max_depth) from None
    if b"\\u0000" in body and _NUL.search(body):
        raise _explain(body, max_depth)
    try:
        keys = _count_keys(value, max_depth)
    except _TooDeep:
        raise _explain(body, max_depth) from None
    if keys != _most_keys(body) and keys != _written_keys(body):
        raise _explain(body, max_depth)
    return value


def _count_keys(value: Any, depth: int) -> int:
    """Count the keys of all objects in `value`; _TooDeep beyond `depth` levels."""
    found = 0
    items: Iterable[Any] = ()
    if type(value) is dict:
        found, items = len(value), value.values()
    elif type(value) is list:
        items = value
    else:
        return 0
    if not depth:
        raise _TooDeep
    for item in items:
        if type(item) is dict or type(item) is list:
            found += _count_keys(item, depth - 1)
    return found


def _most_keys(body: bytes) -> int:
    """Return a number that is never below the keys written in `body`: each has a colon after a quote or a space.

    Nearly always it is exact, and then equal to the keys that came out: no key was written twice.
    """
    return sum(map(body.count, _COLONS))


def _written_keys(body: bytes) -> int:
    """Count the keys written in a valid JSON text exactly."""
    return _STRING.findall(body).count(b":")


def _explain(body: bytes, max_depth: int) -> MalformedBody | InvalidRequest:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return MalformedBody(f"The body is not UTF-8 at byte {error.start}.")
    fault = find_fault(text, max_depth=max_depth)
    if fault is None:
        return MalformedBody()
    if fault.kind is FaultKind.SYNTAX:
        return MalformedBody(fault.problem)
    field = fault.path or "body"
    return InvalidRequest(f"{field}: {fault.problem}", detail=[{"field": field, "message": fault.problem}])
