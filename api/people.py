"""Users of an app over HTTP: what the sender knows of them, kept and erased.

Rule U.
"""

from typing import Any

from shared.clock import Clock
from shared.db import Database
from shared.services import users
from shared.services.revoking import Revoking
from shared.services.users import UserRow


class People:
    """The users of whoever asks."""

    def __init__(self, database: Database, revoking: Revoking, clock: Clock) -> None:
        self._database = database
        self._revoking = revoking
        self._clock = clock

    def put(self, app: str, name: str, values: dict[str, Any]) -> tuple[UserRow, bool]:
        """Create or replace; also whether the user is new."""
        now_ms = self._clock.now_ms()
        return self._database.run(lambda session: users.put(session, app, name, values, now_ms))

    def get(self, app: str, name: str) -> UserRow:
        """Return one. Raises NotFound."""
        with self._database.session() as session:
            return users.get(session, app, name)

    def erase(self, app: str, name: str) -> None:
        """Erase one, in Redis too, now or when it is back: the tail of the stream holds what was sent.

        Raises NotFound.
        """
        now_ms = self._clock.now_ms()
        self._revoking.tell_soon(self._database.run(lambda session: users.erase(session, app, name, now_ms)))

    def disable(self, app: str, name: str) -> UserRow:
        """Let a user in no more. Raises RedisUnavailable: then it is decided, and told when Redis is back."""
        now_ms = self._clock.now_ms()
        row, decided = self._database.run(lambda session: users.disable(session, app, name, now_ms))
        self._revoking.tell(decided)
        return row

    def enable(self, app: str, name: str) -> UserRow:
        """Let a user in again. Raises NotFound, and RedisUnavailable as `disable`."""
        now_ms = self._clock.now_ms()
        row, decided = self._database.run(lambda session: users.enable(session, app, name, now_ms))
        self._revoking.tell(decided)
        return row
