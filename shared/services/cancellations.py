"""Cancel a notification: decide in one transaction, then take back what is out and tell it, step by step.

Rule U. For the HTTP routes, for what was cancelled while it was in the journal, and for the job that goes on where
others stopped. The transaction is the truth; telling may fail, and is repeated by whoever goes on.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy.orm import Session

from shared import logs
from shared.clock import Clock
from shared.db import Database
from shared.redis.retract import Retractor
from shared.store import apps, cancellations, retractions
from shared.store.apps import AppRow
from shared.store.cancellations import Numbers, ToEveryone
from shared.store.retractions import STEP, TakenBack
from shared.store.rows import chunks

__all__ = ["KEYED_MAX", "Cancellations", "Numbers", "ToEveryone"]

log = logs.get(__name__)

KEYED_MAX = 1000
"""Notifications of one cancel key in one go."""


class Cancellations:
    """Cancels what is stored."""

    def __init__(self, database: Database, retractor: Retractor, clock: Clock) -> None:
        self._database = database
        self._retractor = retractor
        self._clock = clock

    def cancel(self, app: str | None, id: str, users: Collection[str] | None) -> Numbers | None:
        """Cancel for all, and leave the taking back to `go_on`; or for some `users`, whole and told.

        `app` None: whosever it is. None: there is no such notification. Raises ToEveryone, RedisUnavailable (what is
        not told then is told by a repetition).
        """
        with self._database.session() as session:
            found = cancellations.app_of(session, id) if app is None else apps.get(session, app)
        if found is None:
            return None
        done = self._once(found, id, users)
        # A row that is taken out and stored anew in one transaction cannot be seen by who waited for the old one.
        return self._once(found, id, users) if done is None else done

    def _once(self, app: AppRow, id: str, users: Collection[str] | None) -> Numbers | None:
        if users is not None:
            return self._for_some(app, id, users)
        return self._database.run(
            lambda session: cancellations.cancel(session, app.id, id, now_ms=self._clock.now_ms())
        )

    def of_key(
        self,
        app: str,
        key: str,
        *,
        until_ms: int,
        after: str | None = None,
        users: Collection[str] | None = None,
    ) -> list[str]:
        """At most 1,000 notifications that a cancellation by key finds above the id `after`, by id."""
        with self._database.session() as session:
            found = apps.get(session, app)
            if found is None:
                return []
            return cancellations.by_key(
                session, found.id, key, until_ms=until_ms, limit=KEYED_MAX, after=after, users=users
            )

    def go_on(self, id: str, *, after: int = 0, seconds: float, steps: int = 1_000_000) -> int | None:
        """Take back and tell what is left of a cancelled one, for so long; where to go on, None if it is over.

        Raises RedisUnavailable.
        """
        end = self._clock.monotonic() + seconds
        for _ in range(steps):
            begin = after
            taken = self._database.run(
                lambda session: retractions.step(session, id, after=begin, now_ms=self._clock.now_ms())  # noqa: B023
            )
            if taken is None:
                return None
            self._tell(taken)
            after = taken.after or after
            if self._clock.monotonic() >= end:
                break
        return after

    def tell_again(self, id: str, names: Sequence[str] | None = None) -> None:
        """Tell once more what was published after it had been taken back. Raises RedisUnavailable."""
        now_ms = self._clock.now_ms()
        for taken in self._database.run(
            lambda session: retractions.told_again(session, id, now_ms=now_ms, names=names)
        ):
            self._tell(taken)
        log.info("cancelled_late", id=id)

    def _for_some(self, app: AppRow, id: str, users: Collection[str]) -> Numbers | None:
        cancelled = already = 0
        for numbers in self._parts(app, id, users):
            if numbers is None:
                return None
            for taken in numbers.taken:
                self._tell(taken)
            cancelled += numbers.cancelled
            already += numbers.already_sent
        return Numbers(cancelled, already)

    def _parts(self, app: AppRow, id: str, users: Collection[str]) -> Iterator[Numbers | None]:
        """Cancel for 500 users after the other."""
        for part in chunks(sorted(set(users)), STEP):

            def write(session: Session, some: Sequence[str] = part) -> Numbers | None:
                return cancellations.cancel_for(session, app, id, some, now_ms=self._clock.now_ms())

            yield self._database.run(write)

    def _tell(self, taken: TakenBack) -> None:
        if taken.place is not None and taken.seq is not None:
            deaf = self._retractor.retract_all(
                taken.app, taken.epoch, taken.id, seq=taken.seq, place=taken.place
            )
        else:
            deaf = self._retractor.retract(taken.app, taken.epoch, taken.id, taken.users)
        if deaf:
            log.warning("nodes_found_deaf", app=taken.app, nodes=deaf)
