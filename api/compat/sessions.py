"""POST /temp-login, /refresh and /logout of contract B, POST /auth of contract E.

Rule S. Sessions, refresh tokens and tickets are those of /v1/auth; only the bodies are the contracts' own.
"""

from dataclasses import replace

import falcon

from api.accounts import Credentials
from api.authentication import Authenticator
from api.clients import client_of
from api.compat import asked
from api.identity import Identity
from api.request import ApiRequest
from api.resources.base import Resource, reply
from shared.auth.tokens import MAIN_APP
from shared.config import Settings
from shared.domain.address import Proxies


class Doors(Resource):
    """All four."""

    def __init__(self, settings: Settings, identity: Identity, authenticator: Authenticator) -> None:
        self._identity = identity
        self._authenticator = authenticator
        self._proxies = Proxies(settings.trusted_proxies)
        self._life_max = settings.token_life_max

    def on_post_login(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Become a user without a password: in development, on this machine."""
        user = asked.visitor(req.body)
        grant = self._identity.sessions.visit(MAIN_APP, user, client_of(req.env, self._proxies))
        reply(resp, {"access": grant.access, "refresh": grant.refresh})

    def on_post_refresh(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Go on with a session."""
        token = asked.text(req.body, "token")
        grant = self._identity.sessions.refresh(token, client_of(req.env, self._proxies))
        reply(resp, {"accessToken": grant.access, "refreshToken": grant.refresh})

    def on_post_logout(self, req: ApiRequest, resp: falcon.Response) -> None:
        """End a session, also one that is over or never was."""
        self._identity.sessions.end_by(asked.text(req.body, "token"))
        reply(resp, {"success": True, "message": "Logged out safely"})

    def on_post_auth(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Sign in, and get what opens one socket."""
        said = asked.credentials(req.body)
        given = Credentials(MAIN_APP, said["username"], said["password"])
        grant = self._identity.accounts.sign_in(given, client_of(req.env, self._proxies))
        principal = self._authenticator.identify(f"Bearer {grant.access}")
        # Nothing but the socket comes of this session, so nothing could renew a token: it lasts as the session does.
        until = (principal.issued_at or 0) + min(grant.refresh_in, self._life_max) * 1000
        ticket = self._identity.tickets.give(replace(principal, expires_at=until), req.env.get("HTTP_ORIGIN"))
        reply(resp, {"sessionId": ticket["ticket"]})
