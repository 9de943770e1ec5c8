"""POST /v1/auth/register, login, refresh, logout, password; GET and DELETE /v1/auth/sessions; POST /v1/auth/ws-ticket.

Rule S. Cookies are written and read here; what they hold is judged elsewhere.
"""

import falcon

from api.accounts import Accounts as AccountBook
from api.accounts import Credentials
from api.authentication import Authenticator
from api.clients import check_own_page, client_of
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.sessions import Grant, Sessions
from api.ws_tickets import WsTickets
from shared.auth import cookies
from shared.auth.tokens import MAIN_APP
from shared.config import Settings
from shared.domain.address import Proxies
from shared.errors import Forbidden, Unauthenticated

_AUTHORIZATION = "HTTP_AUTHORIZATION"


class Jar:
    """The cookies of whoever signed in, under this process's settings."""

    def __init__(self, settings: Settings) -> None:
        self._secure = settings.profile == "production"
        self._names = cookies.names(secure=self._secure)
        self._origins = frozenset(settings.origins)

    def fill(self, resp: falcon.Response, grant: Grant) -> None:
        """Give both, each for as long as what it holds is good."""
        self._write(resp, self._names.refresh, grant.refresh, grant.refresh_in)
        self._write(resp, self._names.access, grant.access, grant.expires_in)

    def empty(self, resp: falcon.Response) -> None:
        """Take both away."""
        for name in self._names:
            self._write(resp, name, "", 0)

    def refresh_token(self, req: ApiRequest) -> str | None:
        """The refresh token of the body, or of the cookie; None if there is neither. Raises Forbidden (CSRF)."""
        given: str | None = req.body.get("refresh")
        if given is not None:
            return given
        kept = cookies.read(req.env.get("HTTP_COOKIE"), self._names.refresh)
        if kept is not None:
            check_own_page(req.env, self._origins)
        return kept

    def _write(self, resp: falcon.Response, name: str, value: str, seconds: int) -> None:
        resp.append_header("Set-Cookie", cookies.write(name, value, seconds=seconds, secure=self._secure))


class AccountBox(Resource):
    """Accounts and their passwords."""

    def __init__(self, settings: Settings, accounts: AccountBook, authenticator: Authenticator) -> None:
        self._open = settings.registration
        self._accounts = accounts
        self._authenticator = authenticator
        self._proxies = Proxies(settings.trusted_proxies)
        self._jar = Jar(settings)

    def on_post_register(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make an account."""
        by_key = self._checked_key(req)
        self._accounts.register(_credentials(req, by_key), known=by_key is not None)
        reply(resp, {"user": req.body["username"]}, 201)

    def on_post_login(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Sign in."""
        grant = self._accounts.sign_in(_credentials(req), client_of(req.env, self._proxies))
        self._jar.fill(resp, grant)
        reply(resp, grant.document())

    def on_post_password(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Change the password."""
        self._accounts.change_password(req.principal, req.body["old"], req.body["new"])
        resp.status = falcon.HTTP_204

    def _checked_key(self, req: ApiRequest) -> str | None:
        """The app of the API key that registers somebody; None for a stranger, where strangers may."""
        header = req.env.get(_AUTHORIZATION)
        if header is None:
            if not self._open:
                raise Unauthenticated("Accounts are made with an API key that has users:write.")
            return None
        principal = self._authenticator.identify(header)
        if principal.key is None or not principal.may("users:write"):
            raise Forbidden("This needs an API key with the scope users:write.")
        return principal.app


class SessionBox(Resource):
    """Sessions."""

    def __init__(self, settings: Settings, sessions: Sessions, authenticator: Authenticator) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._proxies = Proxies(settings.trusted_proxies)
        self._jar = Jar(settings)

    def on_post_refresh(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Go on."""
        presented = self._jar.refresh_token(req)
        if presented is None:
            raise Unauthenticated("Send the refresh token in the body or as its cookie.")
        grant = self._sessions.refresh(presented, client_of(req.env, self._proxies))
        self._jar.fill(resp, grant)
        reply(resp, grant.document())

    def on_post_logout(self, req: ApiRequest, resp: falcon.Response) -> None:
        """End the session of whatever is presented."""
        presented = self._jar.refresh_token(req)
        if presented is not None:
            self._sessions.end_by(presented)
        else:
            self._sessions.end_own(self._authenticator.identify(req.env.get(_AUTHORIZATION)))
        self._jar.empty(resp)
        resp.status = falcon.HTTP_204

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List one's own."""
        reply(resp, self._sessions.list_of(req.principal))

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """End one of one's own."""
        self._sessions.end(req.principal, id)
        resp.status = falcon.HTTP_204


class WsTicketBox(Resource):
    """Tickets."""

    def __init__(self, tickets: WsTickets) -> None:
        self._tickets = tickets

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Give one."""
        reply(resp, self._tickets.give(req.principal, req.env.get("HTTP_ORIGIN")))


def _credentials(req: ApiRequest, app: str | None = None) -> Credentials:
    """What the body says; an API key speaks for its own app."""
    said = req.body.get("app", app or MAIN_APP)
    if app is not None and said != app:
        raise Forbidden("This API key is of another app.")
    return Credentials(said, req.body["username"], req.body["password"])
