"""The head of an HTTP/1 request, read strictly: what two readers could understand differently is refused.

Rule P, RFC 9112. gevent's own reading goes through the parser for e-mail headers, which took an eighth of the time of a
whole request and lets through what a proxy may read otherwise (two lengths, folded lines, an unknown coding).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LINE_MAX: Final = 8190
FIELDS_MAX: Final = 100
LENGTH_DIGITS_MAX: Final = 18

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb"{1,20}) ([\x21-\x7e]+) HTTP/1\.([01])\r\n")
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"+):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")
_ABSOLUTE: Final = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[^/?#]*", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
# Said twice, each of these leaves open which one counts.
_ONCE: Final = frozenset(
    {"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_HOST", "HTTP_AUTHORIZATION"}
)


class BadHead(ValueError):
    """The request cannot be read; after it nothing on the connection can be either."""


@dataclass(slots=True)
class Head:
    """A request without its body. `fields` are keys and values of a WSGI environment."""

    method: str
    target: str
    protocol: str
    fields: dict[str, str]
    content_length: int | None
    chunked: bool
    keep_alive: bool


def read_head(request_line: bytes, lines: list[bytes]) -> Head:
    """Read a request line and its field lines, each with its line end. Raises BadHead."""
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise BadHead("This is not an HTTP/1 request line.")
    newer = match[3] == b"1"
    fields = _fields(lines)
    if newer and "HTTP_HOST" not in fields:
        raise BadHead("The field Host is missing.")
    length, chunked = _framing(fields, newer=newer)
    connection = fields.get("HTTP_CONNECTION", "").lower()
    return Head(
        method=match[1].decode("ascii"),
        target=_target(match[2].decode("ascii")),
        protocol="HTTP/1.1" if newer else "HTTP/1.0",
        fields=fields,
        content_length=length,
        chunked=chunked,
        keep_alive="close" not in connection if newer else "keep-alive" in connection,
    )


def _target(target: str) -> str:
    """Return path and query; a proxy's absolute form loses scheme and host."""
    if target.startswith("/") or target == "*":
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        raise BadHead("The request target is neither a path nor a URL.")
    rest = target[absolute.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > FIELDS_MAX:
        raise BadHead(f"More than {FIELDS_MAX} fields.")
    found: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise BadHead("A field cannot be read.")
        key = _key(match[1])
        if not key:
            continue
        value = match[2].rstrip(b" \t").decode("latin-1")
        if key in found:
            if key in _ONCE:
                raise BadHead(f"The field {match[1].decode('ascii')} is there twice.")
            value = f"{found[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        found[key] = value
    return found


@lru_cache(maxsize=512)
def _key(name: bytes) -> str:
    """Return the WSGI key of a field; empty for one with an underscore, which would pass for another field."""
    if b"_" in name:
        return ""
    key = name.decode("ascii").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _framing(fields: dict[str, str], *, newer: bool) -> tuple[int | None, bool]:
    """Return (length of the body, whether it is chunked)."""
    coding = fields.get("HTTP_TRANSFER_ENCODING")
    length = fields.get("CONTENT_LENGTH")
    if coding is not None:
        if not newer or length is not None or coding.lower() != "chunked":
            raise BadHead("The length of the body is not clear.")
        return None, True
    if length is None:
        return None, False
    if not _LENGTH.fullmatch(length):
        raise BadHead("Content-Length is not a number.")
    return int(length), False
