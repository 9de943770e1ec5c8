"""How much of a node one client, one address and all together may have; decided before the upgrade. Pure.

The cheap questions come first: whoever is one too many costs no signature check.
"""

from collections import Counter
from typing import Final, Protocol

from shared.errors import TooManyRequests, Unavailable
from wsnode.rate import Rate

RETRY_AFTER: Final = 2.0
BURST: Final = 5.0
"""Seconds' worth of handshakes that may come at once, as after a restart."""

ADDRESSES_KEPT: Final = 10_000


class WallSettings(Protocol):
    """The settings that bound connections."""

    @property
    def connections_max(self) -> int:
        """Of one node."""
        ...

    @property
    def connections_per_user(self) -> int:
        """Of one user on one node."""
        ...

    @property
    def connections_per_address(self) -> int:
        """Of one address on one node."""
        ...

    @property
    def unauthenticated_max(self) -> int:
        """Of one node, before the first message."""
        ...

    @property
    def handshake_rate(self) -> float:
        """A second, on one node."""
        ...

    @property
    def handshake_rate_address(self) -> float:
        """A second, from one address."""
        ...


class Walls:
    """Counts by address, and handshakes by the second. An empty address is not counted."""

    def __init__(self, settings: WallSettings) -> None:
        self._settings = settings
        self._all = Rate(settings.handshake_rate, BURST)
        self._each = Rate(settings.handshake_rate_address, BURST)
        self._all_budget = 0.0
        self._budgets: dict[str, float] = {}
        self._open: Counter[str] = Counter()

    def knock(self, address: str, *, connections: int, now: float, again: bool = False) -> None:
        """A handshake begins while there are so many connections; `now` is monotonic.

        With `again` it is for a connection that counts already: it is one of so many a second, and takes no room.
        Raises TooManyRequests for the address, Unavailable for the node.
        """
        if address:
            budget = self._each.after(self._budgets.get(address, 0.0), now)
            if budget is None:
                raise TooManyRequests("Too many handshakes from this address.", retry_after=RETRY_AFTER)
            self._remember(address, budget, now)
            if not again and self._open[address] >= self._settings.connections_per_address:
                raise TooManyRequests("This address has too many connections here.", retry_after=RETRY_AFTER)
        found = self._all.after(self._all_budget, now)
        if found is None:
            raise Unavailable("Too many handshakes at once.", retry_after=RETRY_AFTER)
        self._all_budget = found
        if not again and connections >= self._settings.connections_max:
            raise Unavailable("This node is full.", retry_after=RETRY_AFTER)

    def stranger(self, strangers: int) -> None:
        """A handshake without a credential, while so many wait for theirs. Raises Unavailable."""
        if strangers >= self._settings.unauthenticated_max:
            raise Unavailable("Too many connections have not signed in yet.", retry_after=RETRY_AFTER)

    def user(self, connections: int) -> None:
        """A user who has so many connections already. Raises TooManyRequests."""
        if connections >= self._settings.connections_per_user:
            raise TooManyRequests("This user has too many connections here.", retry_after=RETRY_AFTER)

    def enter(self, address: str) -> None:
        """A connection of this address is open."""
        if address:
            self._open[address] += 1

    def leave(self, address: str) -> None:
        """It is over."""
        if address:
            self._open[address] -= 1
            if self._open[address] <= 0:
                del self._open[address]

    def _remember(self, address: str, budget: float, now: float) -> None:
        if len(self._budgets) >= ADDRESSES_KEPT:  # the rate of the node bounds how many of them are still due
            self._budgets = {one: due for one, due in self._budgets.items() if due > now}
        self._budgets[address] = budget
