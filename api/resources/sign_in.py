"""POST /v1/dev/sign-in: anybody on this machine becomes any user; in development only, for the console.

Rule S. The route does not exist where the setting is off. Where it is on, a page of another site must not be able to
use it through the browser of somebody who sits here: hence the check of the Host (against names that are made to
resolve to this machine) and of the Origin, and not of the address alone.
"""

import ipaddress
import re
from typing import Any, Final
from urllib.parse import urlsplit

import falcon

from api.request import ApiRequest
from api.resources.base import Resource, reply
from shared.auth import tokens
from shared.clock import Clock
from shared.config import Settings
from shared.errors import Forbidden

SCOPES: Final = ("notifications:read", "notifications:write", "schedules:read", "schedules:write")
"""What the console does besides reading the inbox."""

_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


class DevSignIn(Resource):
    """A token for a name, without a password."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Sign in."""
        host = _own_host(req)
        settings = self._settings
        token = tokens.issue(
            settings,
            user=req.body["user"],
            app=tokens.MAIN_APP,
            ttl=settings.token_ttl,
            now=self._clock.now_ms(),
            scopes=SCOPES,
        )
        ports = range(settings.node_port, settings.node_port + settings.nodes)
        nodes = [f"ws://{host}:{port}/ws" for port in ports]
        reply(resp, {"token": token, "expires_in": settings.token_ttl, "nodes": nodes})


def _own_host(req: ApiRequest) -> str:
    """Return the name under which the caller reaches this machine. Raises Forbidden for anybody from outside."""
    env: dict[str, Any] = req.env
    host = _HOST.fullmatch(env.get("HTTP_HOST", ""))
    if host is None or not _is_loopback(env.get("REMOTE_ADDR", "")):
        raise Forbidden("Only from this machine.")
    # Behind a proxy on this machine every caller seems to be here.
    if "HTTP_X_FORWARDED_FOR" in env or "HTTP_FORWARDED" in env:
        raise Forbidden("Not through a proxy.")
    origin = env.get("HTTP_ORIGIN")
    if origin is not None and urlsplit(origin).netloc.lower() != env["HTTP_HOST"].lower():
        raise Forbidden("Not from a page of another site.")
    return host[1]


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
