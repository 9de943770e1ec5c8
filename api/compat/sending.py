"""POST /notification, /notify and /webhook/notify: one notification to one user, as contracts A, B and D ask for it.

Rule S. What is asked is read by api.compat.asked, accepted by api.acceptance like any other, and answered as the
contract has it.
"""

from typing import Any, Final

import falcon
import orjson

from api import limits
from api.acceptance import Acceptance, Answered, Origin
from api.authentication import Authenticator
from api.compat import asked
from api.known_apps import KnownApps
from api.limits import Limiter
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.notifications import NotificationIn
from shared.auth.principal import Principal
from shared.errors import Forbidden, Unauthenticated

_SCOPE: Final = "notifications:write"
_NO_KEY: Final = "The apiKey is missing, unknown, revoked or expired."


class Sending(Resource):
    """The three of them."""

    def __init__(
        self, acceptance: Acceptance, known_apps: KnownApps, limiter: Limiter, authenticator: Authenticator
    ) -> None:
        self._acceptance = acceptance
        self._known_apps = known_apps
        self._limiter = limiter
        self._authenticator = authenticator

    def on_post_a(self, req: ApiRequest, resp: falcon.Response) -> None:
        """`{userId, eventType, data}`."""
        self._send(req, resp, req.principal, asked.of_a(req.body))
        reply(resp, {"message": "Notification triggered"})

    def on_post_b(self, req: ApiRequest, resp: falcon.Response) -> None:
        """`{userId, message}`."""
        self._send(req, resp, req.principal, asked.of_b(req.body))
        reply(resp, {"success": True})

    def on_post_d(self, req: ApiRequest, resp: falcon.Response) -> None:
        """`{recipientId, message, apiKey}`; the key is looked at first, and goes nowhere from here."""
        principal = self._webhook_caller(req, resp)
        answered = self._send(req, resp, principal, asked.of_d(req.body))
        reply(resp, {"success": True, "id": orjson.loads(answered.body)["id"]})

    def _send(
        self, req: ApiRequest, resp: falcon.Response, principal: Principal, wanted: NotificationIn
    ) -> Answered:
        self._known_apps.check(principal.app)
        origin = Origin(
            app=principal.app,
            sender=principal.sender,
            request_id=req.request_id,
            route=req.uri_template or "",
            limits=self._limiter.sending(principal),
        )
        answered = self._acceptance.one(wanted, origin, None)
        resp.set_headers(limits.headers(answered.standings))
        return answered

    def _webhook_caller(self, req: ApiRequest, resp: falcon.Response) -> Principal:
        """Return whose key the body holds. Raises Unauthenticated, Forbidden, OverLimit, and Unavailable."""
        key: Any = req.body.get("apiKey")
        try:
            # The same comparison as for a header: digests, in constant time, also for an id that is not there.
            principal = self._authenticator.key(key if isinstance(key, str) else "")
        except Unauthenticated:
            resp.set_headers(limits.headers(self._limiter.stranger(req.env)))
            raise Unauthenticated(_NO_KEY) from None
        if not principal.may(_SCOPE):
            raise Forbidden(f"This needs the scope {_SCOPE}.")
        req.principal = principal
        return principal
