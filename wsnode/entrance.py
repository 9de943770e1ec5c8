"""Everybody who comes and goes is counted here: whether there is room, who has not signed in yet, and for how long.

Rule S. Joins the walls, which decide, with the hub, which knows who has signed in.
"""

from typing import Protocol

from shared import metrics
from shared.auth.principal import Principal
from shared.clock import Clock
from shared.domain.address import Proxies
from shared.protocol.close_codes import CloseCode
from wsnode.connection import Connection
from wsnode.deadlines import Deadlines
from wsnode.handshake import Request
from wsnode.hub import Hub
from wsnode.ports import Peer
from wsnode.walls import Walls, WallSettings


class EntranceSettings(WallSettings, Protocol):
    """The settings of an entrance."""

    @property
    def auth_deadline(self) -> float:
        """Seconds in which a connection has to sign in."""
        ...

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Whose word on addresses counts."""
        ...


class Entrance:
    """Knows the connections that are not in the hub yet."""

    def __init__(self, settings: EntranceSettings, clock: Clock, hub: Hub[Peer]) -> None:
        self._clock = clock
        self._hub = hub
        self._walls = Walls(settings)
        self._proxies = Proxies(settings.trusted_proxies)
        self._unsigned: Deadlines[Connection] = Deadlines(settings.auth_deadline)
        self.strangers: set[Connection] = set()
        """Connections that have not signed in."""

    def knock(self, request: Request, *, again: bool = False) -> str:
        """The address that a handshake counts for; `again`: it is for a connection that is in already.

        Raises an AppError if there is no room for it.
        """
        address = self._proxies.client(request.peer, request.headers.get("x-forwarded-for", ""))
        self._walls.knock(address, connections=self._all(), now=self._clock.monotonic(), again=again)
        return address

    def stranger(self) -> None:
        """A handshake that brings no credential. Raises Unavailable if too many wait for theirs."""
        self._walls.stranger(len(self.strangers))

    def room(self, principal: Principal) -> None:
        """One more connection of a user. Raises TooManyRequests."""
        self._walls.user(len(self._hub.room(principal.app).of(principal.user or "")))

    def take(self, connection: Connection, address: str) -> None:
        """A connection that has not signed in yet."""
        connection.address = address
        self._walls.enter(address)
        self.strangers.add(connection)
        self._unsigned.add(connection, self._clock.monotonic())
        self.tell()

    def known(self, connection: Connection) -> None:
        """It has signed in."""
        self.strangers.discard(connection)

    def gone(self, connection: Connection) -> None:
        """It is over."""
        self.strangers.discard(connection)
        self._walls.leave(connection.address)

    def sweep(self, now: float) -> None:
        """Send away who has not signed in in time; `now` is monotonic."""
        for connection in self._unsigned.take(now):
            if connection.open and not connection.signed_in:
                connection.leave(CloseCode.TOO_SLOW, "no sign-in in time")

    def tell(self) -> None:
        """Say in the metrics how many there are."""
        metrics.connections.set(self._all())

    def _all(self) -> int:
        return len(self._hub) + len(self.strangers)
