"""From where a sign-in comes: what tells one client from another, and whether a page of ours sent the request.

Rule P.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from shared.domain.address import Proxies
from shared.errors import Forbidden

_AGENT_MAX: Final = 120
_OWN: Final = "same-origin"


class Client(NamedTuple):
    """`print` is a digest of address and User-Agent: who repeats a refresh must have the same. `agent` is shown in the
    list of sessions."""

    print: str
    agent: str


def client_of(env: Mapping[str, Any], proxies: Proxies) -> Client:
    """Who asks, as far as the request tells: of an IPv6 address its /64, of this machine no address."""
    address = proxies.client(env.get("REMOTE_ADDR", ""), env.get("HTTP_X_FORWARDED_FOR", ""))
    agent = env.get("HTTP_USER_AGENT", "")
    told = hashlib.sha256(f"{address}\n{agent}".encode(errors="surrogateescape")).hexdigest()
    shown = "".join(letter if letter.isprintable() else " " for letter in agent[:_AGENT_MAX])
    return Client(told, shown.encode(errors="replace").decode())


def check_own_page(env: Mapping[str, Any], origins: Collection[str]) -> None:
    """Let a cookie count only where a page of ours sent the request (OWASP CSRF Prevention Cheat Sheet).

    The browser writes both headers itself, and no page can. Raises Forbidden.
    """
    if env.get("HTTP_ORIGIN") in origins or env.get("HTTP_SEC_FETCH_SITE") == _OWN:
        return
    raise Forbidden("A cookie counts only from a page of BELLHOP_ORIGINS or of this origin.")
