"""Parsers of the settings that are more than one word.

Kept apart from the declarations so that the list of settings reads as a list.
"""

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator

from shared.domain.gcra import Policy

_KID = re.compile(r"[A-Za-z0-9._-]{1,40}")
_MAX_KEYS = 2
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://[^/?#@\sA-Z\x80-\U0010ffff]+?(?P<port>:[0-9]{1,5})?", re.ASCII
)
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_POLICY = re.compile(r"([0-9]{1,9})/([0-9]{1,7})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = 31 * 86_400


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One JWT secret and the `kid` by which tokens name it."""

    kid: str
    secret: str = field(repr=False)


def split_list(value: Any) -> Any:
    """Turn comma separated text into a tuple of its non-empty parts; anything else passes."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def check_proxies(names: tuple[str, ...]) -> tuple[str, ...]:
    """Pass a list of addresses, networks and the word `unix`. Raises ValueError for anything else."""
    for name in names:
        if name != "unix":
            ip_network(name)
    return names


def check_origins(names: tuple[str, ...]) -> tuple[str, ...]:
    """Pass a list of origins as browsers write them, or `*`. Raises ValueError for what no page can have."""
    for name in names:
        found = _ORIGIN.fullmatch(name)
        if name != "*" and (found is None or found["port"] == _USUAL_PORTS.get(found["scheme"], "none")):
            raise ValueError(
                f"{name!r} is no origin as browsers send it: a scheme, a host in lower case and a port if it is not"
                " the usual one, nothing after it, such as https://app.example.com"
            )
    return names


def parse_policy(text: str) -> Policy | None:
    """Read `1000/1s` (s, m, h or d); None for `off`. Raises ValueError."""
    if text == "off":
        return None
    match = _POLICY.fullmatch(text)
    seconds = int(match[2]) * _SECONDS[match[3]] if match else 0
    limit = int(match[1]) if match else 0
    # Decided in whole microseconds: more often than each of them is no limit any more.
    if not 0 < limit <= seconds * 1_000_000 or seconds > _LONGEST:
        raise ValueError(
            "must be `off`, or so many in a time of up to 31 days, such as `1000/1s` or `500/15m`"
        )
    return Policy(limit, seconds * 1000)


def _check_policy(text: str) -> str:
    parse_policy(text)
    return text


PolicyText = Annotated[str, AfterValidator(_check_policy)]
"""A setting that `parse_policy` reads."""


def parse_signing_keys(text: str) -> tuple[SigningKey, ...]:
    """Read `kid:secret,kid:secret`. The message of a refusal never repeats the secret."""
    keys = tuple(_signing_key(part.strip()) for part in text.split(",") if part.strip())
    if len(keys) > _MAX_KEYS:
        raise ValueError(f"holds {len(keys)} keys; at most {_MAX_KEYS} are valid at once")
    if len({key.kid for key in keys}) < len(keys):
        raise ValueError("names the same key id twice")
    return keys


def _signing_key(pair: str) -> SigningKey:
    kid, colon, secret = pair.partition(":")
    if not colon or not secret or not _KID.fullmatch(kid):
        raise ValueError("must be `kid:secret`, the kid being 1 to 40 of A-Z a-z 0-9 . _ -")
    return SigningKey(kid, secret)
