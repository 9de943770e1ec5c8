"""The request as our code sees it: Falcon's, plus what the middleware found out about it.

Rule P. Attributes with types instead of Falcon's untyped context, so that a responder that asks for a principal on a
public route is found by the type checker or fails at once.
"""

from typing import Any

import falcon

from api.routing import Operation
from shared.auth.principal import Principal
from shared.errors import Forbidden


class ApiRequest(falcon.Request):
    """A request on its way through middleware and responder."""

    request_id: str = ""
    started: float = 0.0
    operation: Operation | None = None
    principal: Principal
    body: Any = None
    """The body as its schema describes it; set where the operation has one."""

    query: Any = None
    """The query as its schema describes it; set where the operation has one."""

    @property
    def app(self) -> str:
        """The app of the caller: everything that is read or written belongs to it."""
        return self.principal.app

    @property
    def caller(self) -> str:
        """`key:<id>` or `user:<name>`, and `-` as long as nobody is known."""
        principal: Principal | None = getattr(self, "principal", None)
        return principal.sender if principal else "-"

    def user(self) -> str:
        """Return the user who asks. Raises Forbidden for an API key, which is nobody's inbox."""
        if self.principal.user is None:
            raise Forbidden("Only a user's token can do that.")
        return self.principal.user
