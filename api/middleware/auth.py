"""Who asks, and whether they may: before a body is read.

Rule S. What a route demands stands in the table of routes; how a credential becomes a Principal is
api.authentication's.
"""

from typing import Any

import falcon

from api.authentication import Authenticator
from api.request import ApiRequest
from api.routing import Lookup
from shared.errors import Forbidden


class Auth:
    """Sets `req.operation`, and `req.principal` where the operation demands a scope."""

    def __init__(self, operations: Lookup, authenticator: Authenticator) -> None:
        self._operations = operations
        self._authenticator = authenticator

    def process_resource(
        self, req: ApiRequest, _resp: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Refuse with 401 or 403, or let pass."""
        operation = self._operations.get((req.uri_template or "", req.method))
        req.operation = operation
        # Without an operation it is a method that the path does not take, or OPTIONS: Falcon answers.
        if operation is None or operation.scope is None:
            return
        req.principal = self._authenticator.identify(req.env.get("HTTP_AUTHORIZATION"))
        if not req.principal.may(operation.scope):
            raise Forbidden(f"This needs the scope {operation.scope}.", detail={"scope": operation.scope})
