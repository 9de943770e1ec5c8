"""Which segments exist: asked of the database by who sends to one, and remembered for a few seconds.

Rule U. Only what exists is remembered: whoever makes a segment can send to it at once. One that is deleted meanwhile in
another process is accepted for those seconds still, and has nobody in it when the notification is stored.
"""

from collections.abc import Callable
from typing import Final

from api.audiences import Names

LIFE_S: Final = 5.0
REMEMBERED: Final = 10_000
"""Names at most; with more all are forgotten, and asked for anew."""


class KnownSegments:
    """Remembers the segments that were found."""

    def __init__(self, ask: Callable[[str, Names], Names], *, monotonic: Callable[[], float]) -> None:
        """`ask` says which segments of an app do not exist, as `missing` does."""
        self._ask = ask
        self._monotonic = monotonic
        self._until: dict[tuple[str, str], float] = {}

    def missing(self, app: str, names: Names) -> Names:
        """Those of these segments that do not exist. Raises what `ask` raises."""
        now = self._monotonic()
        unsure = tuple(name for name in names if self._until.get((app, name), 0) <= now)
        if not unsure:
            return ()
        gone = self._ask(app, unsure)
        if len(self._until) >= REMEMBERED:
            self._until.clear()
        self._until |= {(app, name): now + LIFE_S for name in unsure if name not in gone}
        return gone

    def forget(self, app: str, name: str) -> None:
        """It was deleted by this process."""
        self._until.pop((app, name), None)
