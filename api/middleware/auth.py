"""Who asks, and whether they may, and not too often: before a body is read.

Rule S. What a route demands stands in the table of routes; how a credential becomes a Principal is
api.authentication's, what is too often api.limits'.
"""

from typing import Any, Final

import falcon

from api import limits
from api.authentication import Authenticator
from api.limits import Limiter
from api.own_machine import own_host
from api.request import ApiRequest
from api.routing import Limited, Lookup, Operation
from shared.auth.principal import Principal, key_principal
from shared.auth.tokens import MAIN_APP
from shared.errors import Forbidden, Unauthenticated

NEIGHBOUR: Final = key_principal(
    app=MAIN_APP, key="this-machine", scopes=("notifications:write",), expires_at=None
)
"""Whoever asks from this machine where that is enough."""


class Auth:
    """Sets `req.operation`, and `req.principal` where the operation demands a scope."""

    def __init__(self, operations: Lookup, authenticator: Authenticator, limiter: Limiter) -> None:
        self._operations = operations
        self._authenticator = authenticator
        self._limiter = limiter

    def process_resource(
        self, req: ApiRequest, resp: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Refuse with 401, 403 or 429, or let pass."""
        operation = self._operations.get((req.uri_template or "", req.method))
        req.operation = operation
        # Without an operation it is a method that the path does not take, or OPTIONS: Falcon answers.
        if operation is None:
            return
        if operation.here and (operation.scope is None or "HTTP_AUTHORIZATION" not in req.env):
            own_host(req.env)
            req.principal = NEIGHBOUR
            self._limit_public(operation, req, resp)
            return
        if operation.scope is None:
            self._limit_public(operation, req, resp)
            return
        req.principal = self._identify(req, resp)
        if operation.limited is Limited.CALLER:
            resp.set_headers(limits.headers(self._limiter.caller(req.principal)))
        if not req.principal.may(operation.scope):
            raise Forbidden(f"This needs the scope {operation.scope}.", detail={"scope": operation.scope})

    def _identify(self, req: ApiRequest, resp: falcon.Response) -> Principal:
        try:
            return self._authenticator.identify(req.env.get("HTTP_AUTHORIZATION"))
        except Unauthenticated:
            resp.set_headers(limits.headers(self._limiter.stranger(req.env)))
            raise

    def _limit_public(self, operation: Operation, req: ApiRequest, resp: falcon.Response) -> None:
        if operation.limited is Limited.SIGN_IN:
            resp.set_headers(limits.headers(self._limiter.sign_in(req.env)))
        elif operation.limited is Limited.CALLER:
            resp.set_headers(limits.headers(self._limiter.stranger(req.env)))
