"""How often a user may send over Socket.IO on this node (`socket_limit`). Pure.

By user and not by connection: whoever is closed for it and comes back has not gained anything.
"""

from typing import Final

from shared.domain import gcra
from shared.domain.gcra import Policy

USERS_KEPT: Final = 10_000
_MICRO: Final = 1_000_000


class Sends:
    """Budgets of users who have sent lately."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy
        self._tats: dict[tuple[str, str], int] = {}

    def may(self, app: str, user: str, now: float) -> bool:
        """Whether this user may send once more at `now` (monotonic seconds)."""
        if self._policy is None:
            return True
        micros = int(now * _MICRO)
        taken = gcra.take(self._policy, self._tats.get((app, user), 0), micros)
        if taken.allowed:
            self._remember((app, user), taken.tat, micros)
        return taken.allowed

    def _remember(self, key: tuple[str, str], tat: int, now: int) -> None:
        if len(self._tats) >= USERS_KEPT:  # what is not due any more says nothing
            self._tats = {one: due for one, due in self._tats.items() if due > now}
            if len(self._tats) >= USERS_KEPT:
                self._tats.clear()  # a flood of names: the limit of messages still stands
        self._tats[key] = tat
