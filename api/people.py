"""Users of an app over HTTP: what the sender knows of them, kept and erased.

Rule U.
"""

from typing import Any

from shared import logs
from shared.clock import Clock
from shared.db import Database
from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Revocations
from shared.redis.streams import Streams
from shared.services import users
from shared.services.users import UserRow

log = logs.get(__name__)


class People:
    """The users of whoever asks."""

    def __init__(self, database: Database, streams: Streams, revocations: Revocations, clock: Clock) -> None:
        self._database = database
        self._streams = streams
        self._revocations = revocations
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
        """Erase one, in Redis too: the tail of the stream holds what was sent. Raises NotFound."""
        now_ms = self._clock.now_ms()
        self._database.run(lambda session: users.erase(session, app, name, now_ms))
        try:
            self._streams.forget(app, name)
            # Whoever comes back under this name is another person: the tokens of this one are dead.
            self._revocations.enable(app, name)
            self._revocations.end_user(app, name, now_ms)
        except RedisUnavailable as error:
            # It ends by itself within the life of a tail, 15 minutes.
            log.warning("tail_not_forgotten", app=app, reason=error.message)

    def disable(self, app: str, name: str) -> UserRow:
        """Let a user in no more. Raises RedisUnavailable: then it is kept, and was not told; repeat it."""
        now_ms = self._clock.now_ms()
        row = self._database.run(lambda session: users.disable(session, app, name, now_ms))
        self._revocations.disable(app, name, now_ms)
        return row

    def enable(self, app: str, name: str) -> UserRow:
        """Let a user in again. Raises NotFound, RedisUnavailable."""
        row = self._database.run(lambda session: users.enable(session, app, name))
        self._revocations.enable(app, name)
        return row
