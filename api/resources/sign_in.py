"""POST /v1/dev/sign-in: anybody on this machine becomes any user; in development only, for the console.

Rule S. The route does not exist where the setting is off. Where it is on, api.own_machine says who is on this machine.
"""

from typing import Final

import falcon

from api.own_machine import own_host
from api.request import ApiRequest
from api.resources.base import Resource, reply
from shared.auth import tokens
from shared.clock import Clock
from shared.config import Settings

SCOPES: Final = ("notifications:read", "notifications:write", "schedules:read", "schedules:write")
"""What the console does besides reading the inbox."""


class DevSignIn(Resource):
    """A token for a name, without a password."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Sign in."""
        host = own_host(req.env)
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
