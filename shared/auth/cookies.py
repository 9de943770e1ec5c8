"""The two cookies of a browser that signed in: their names and attributes, and how they are read.

Rule P. `__Host-` makes the browser hold to Secure, to Path=/ and to no Domain (RFC 6265bis section 4.1.3.2), so that no
other host of the domain can put one in our place. Plain HTTP cannot have it: in development both go without.
"""

from typing import Final, NamedTuple

PREFIX: Final = "__Host-"
REFRESH: Final = "bellhop_refresh"
ACCESS: Final = "bellhop_access"


class CookieNames(NamedTuple):
    """What the cookies are called here."""

    refresh: str
    access: str


def names(*, secure: bool) -> CookieNames:
    """The names, with the prefix where `secure`."""
    prefix = PREFIX if secure else ""
    return CookieNames(prefix + REFRESH, prefix + ACCESS)


def write(name: str, value: str, *, seconds: int, secure: bool) -> str:
    """The value of a header Set-Cookie; `seconds` 0 takes the cookie away."""
    guard = "; Secure" if secure else ""
    return f"{name}={value}; Max-Age={seconds}; Path=/; HttpOnly{guard}; SameSite=Strict"


def read(header: str | None, name: str) -> str | None:
    """The value of one cookie in a header Cookie. Of two of a name none counts: one of them is not ours."""
    pairs = (pair.strip().partition("=") for pair in (header or "").split(";"))
    found = [value.strip() for key, _, value in pairs if key.strip() == name]
    return found[0] if len(found) == 1 and found[0] else None
