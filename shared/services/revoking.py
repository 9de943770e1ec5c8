"""Who may come in: what the database decided is told to Redis at once, later if Redis is away, and again if it lost it.

Rule U. A decision is kept as a row until Redis was told. So whoever decides may fail at any point after the commit: the
job `reconcile` goes on. Telling is by number, so two that tell at once, or late, spoil nothing.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol

from shared import logs
from shared.db import Database, DatabaseUnavailable
from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Decision, Revocations
from shared.redis.streams import Streams
from shared.store import apps, revocations
from shared.store.apps import AppRow
from shared.store.revocations import Revocation

__all__ = ["Revocation", "Revoking"]

log = logs.get(__name__)

LATER: Final = "It is decided; sockets and tokens end as soon as Redis answers again."
LATE_MS: Final = 2000
"""What waits so long is told by `reconcile`: who decided it did not come to it."""
STEP: Final = 500
STEPS: Final = 20
SKEW_MS: Final = 400_000
"""By how much clocks may differ at most, as jwt_leeway allows and a bit more."""


class RevokingSettings(Protocol):
    """The settings that it needs."""

    @property
    def access_life(self) -> int:
        """Seconds that a token of a session of ours lives."""
        ...

    @property
    def revocation_life(self) -> int:
        """Seconds that a revocation is remembered."""
        ...


class Revoking:
    """Tells Redis."""

    def __init__(
        self, settings: RevokingSettings, database: Database, known: Revocations, streams: Streams
    ) -> None:
        self._database = database
        self._known = known
        self._streams = streams
        self._session_life_ms = settings.access_life * 1000 + SKEW_MS
        self._life_ms = settings.revocation_life * 1000

    def tell(self, found: Sequence[Revocation]) -> None:
        """Tell what was just committed. Raises RedisUnavailable: then it is told later, nobody need repeat anything."""
        if not found:
            return
        try:
            self._tell(found)
        except RedisUnavailable as error:
            raise RedisUnavailable(LATER, retry_after=error.retry_after) from error
        try:
            self._forget(found)
        except DatabaseUnavailable as error:
            # Told once more in a moment, which changes nothing.
            log.warning("revocations_not_settled", reason=error.message)

    def tell_soon(self, found: Sequence[Revocation]) -> None:
        """The same for who need not know when."""
        try:
            self.tell(found)
        except RedisUnavailable as error:
            log.warning("revocations_wait", reason=error.message)

    def catch_up(self, now_ms: int) -> int:
        """Tell what others did not come to; how much. Raises RedisUnavailable."""
        total = 0
        for _ in range(STEPS):
            with self._database.session() as session:
                found = revocations.waiting(session, before_ms=now_ms - LATE_MS, limit=STEP)
            if found:
                self._tell(found)
                self._forget(found)
                total += len(found)
            if len(found) < STEP:
                break
        if total:
            log.warning("revocations_told_late", revocations=total)
        return total

    def restore(self, now_ms: int, app: str | None = None) -> int:
        """Put back what Redis lost of an app, or of every one, and take out what it should not have; how much.

        Raises RedisUnavailable.
        """
        if app is not None and not self._known.unknown([app]):
            return 0
        with self._database.session() as session:
            known = {row.name: row for row in apps.list_all(session) if app in (None, row.name)}
        return sum(
            self._put_back(known[name], run, now_ms)
            for name, run in self._known.unknown(sorted(known)).items()
        )

    def _put_back(self, app: AppRow, run: str, now_ms: int) -> int:
        listed = self._known.disabled(app.name)
        with self._database.session() as session:
            found = revocations.standing(session, app.id, app.name, since_ms=now_ms - self._life_ms)
            right = {one.user for one in found if one.disabled}
            wrong = revocations.of_names(
                session,
                app.id,
                app.name,
                [name for name in listed if name not in right],
                unknown=now_ms - SKEW_MS,
            )
            ended = revocations.ended(session, app.id, app.name, since_ms=now_ms - self._session_life_ms)
        self._tell([*found, *wrong, *ended])
        self._known.known(app.name, run)
        total = len(found) + len(wrong) + len(ended)
        if total:
            log.warning("revocations_put_back", app=app.name, users=len(found), sessions=len(ended))
        return total

    def _tell(self, found: Sequence[Revocation]) -> None:
        """Sessions by their users, then users by their apps."""
        sessions = sorted((one.app, one.user, one.session) for one in found if one.session is not None)
        for (app, user), some in groupby(sessions, key=lambda one: one[:2]):
            self._known.end_sessions(app, user, [id for _, _, id in some])
        whole = sorted((one for one in found if one.session is None), key=lambda one: (one.app, one.decided))
        for one in whole:
            if one.erased:
                self._streams.forget(one.app, one.user)
        for app, of_app in groupby(whole, key=lambda one: one.app):
            decisions = [Decision(one.user, one.decided, one.disabled, one.before) for one in of_app]
            self._known.decide(app, decisions)

    def _forget(self, found: Sequence[Revocation]) -> None:
        self._database.run(lambda session: revocations.forget(session, [one.id for one in found]))
