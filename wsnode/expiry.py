"""The end of tokens: clients are warned in time to renew theirs, and connections whose token is over end.

Rule S. A heap of those whose end is near; the heartbeat looks it over with every tick.
"""

import heapq
from itertools import count
from typing import Final, Protocol

from shared.protocol.close_codes import CloseCode

WARNING_MS: Final = 60_000
"""How long before its end a token is warned of; at half of its remaining life where that is shorter."""


class Expiring(Protocol):
    """A connection as its token's end sees it."""

    expires_at: int | None

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        ...

    def expiring(self) -> None:
        """Tell the client that its token ends soon."""
        ...

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        ...


class Expiry:
    """Watches tokens that end within `horizon` seconds; of later ones it wants to hear again before that."""

    def __init__(self, *, horizon: float) -> None:
        # Twice the warning: or a life that is long would look short by the time it is watched.
        self._horizon = 2 * WARNING_MS + round(horizon * 1000)
        self._due: list[tuple[int, int, Expiring, int, bool]] = []
        """When to look, a number that settles ties, at whom, at which end, and whether that is the end itself."""
        self._watched: dict[Expiring, int] = {}
        self._serial = count()

    def watch(self, one: Expiring, now: int) -> None:
        """Watch the token of a connection, if it ends before this is called again; `now` is epoch milliseconds."""
        ends = one.expires_at
        if ends is None or ends > now + self._horizon or self._watched.get(one) == ends:
            return
        self._watched[one] = ends
        self._put(max(ends - WARNING_MS, now + max(0, ends - now) // 2), one, ends, end=False)

    def tick(self, now: int) -> None:
        """Warn and close who is due."""
        while self._due and self._due[0][0] <= now:
            _, _, one, ends, end = heapq.heappop(self._due)
            if self._watched.get(one) != ends:
                continue  # another token came meanwhile
            if end or not one.open or one.expires_at != ends:
                del self._watched[one]
            if not one.open or one.expires_at != ends:
                continue
            if end:
                one.leave(CloseCode.TOKEN_EXPIRED, "the token has expired")
            else:
                one.expiring()
                self._put(ends, one, ends, end=True)

    def _put(self, at: int, one: Expiring, ends: int, *, end: bool) -> None:
        heapq.heappush(self._due, (at, next(self._serial), one, ends, end))
