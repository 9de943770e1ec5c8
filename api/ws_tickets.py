"""Tickets for the WebSocket handshake, for clients that can send no header there: browsers.

Rule U.
"""

from collections.abc import Callable
from typing import Any

from shared.auth import secrets
from shared.auth.principal import Principal
from shared.errors import Forbidden
from shared.redis.tickets import Ticket, Tickets


class WsTickets:
    """Gives tickets; `life` is in seconds."""

    def __init__(self, tickets: Tickets, *, life: int, random: Callable[[int], bytes]) -> None:
        self._tickets = tickets
        self._life = life
        self._random = random

    def give(self, principal: Principal, origin: str | None) -> dict[str, Any]:
        """A ticket for what the token of a user gives, for the page (or the program, None) that asks.

        Raises Forbidden for an API key, RedisUnavailable.
        """
        if principal.user is None or principal.expires_at is None:
            raise Forbidden("Only a user's token can do that.")
        secret = secrets.make(secrets.TICKET, self._random)
        ticket = Ticket(
            app=principal.app,
            user=principal.user,
            scopes=tuple(sorted(principal.scopes)),
            session=principal.session,
            issued_at=principal.issued_at or 0,
            expires_at=principal.expires_at,
            origin=origin,
        )
        self._tickets.put(secret, ticket, self._life)
        return {"ticket": secret, "expires_in": self._life}
