"""A connection to PostgreSQL that does not wait for ever.

libpq notices a peer that is gone, by keepalives and unacknowledged bytes. One that is there and says nothing, such as a
stopped backend or a proxy that lost its way, it waits for without end, and psycopg has no setting for it.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """Closes itself when an answer takes longer than `patience` seconds."""

    patience: float | None = None
    """None waits as long as it takes."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Wait for one answer, as psycopg does. Raises psycopg.OperationalError, and is closed then, after `patience`.

        What comes of the statement is not known: it may still be carried out.
        """
        if self.patience is None:
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(_within(gen, self.patience), *args, **kwargs)
        except _Silence:
            # Not close(), which is for who is done with it: this one is broken, and SQLAlchemy is to see that.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {self.patience:g} s") from None


class _Silence(Exception):
    """Nobody answered."""


def _within(waiting: Generator[Any, Any, T], patience: float) -> Generator[Any, Any, T]:
    """Hand everything on between psycopg and its waiting, which it resumes each 0.1 s at least, until patience ends.

    The end of it is not thrown into the waiting: that would have psycopg ask the silent one to cancel.
    """
    deadline = time.monotonic() + patience
    try:
        wish = next(waiting)
        while True:
            ready = yield wish
            wish = waiting.send(ready)
            if time.monotonic() >= deadline:
                raise _Silence
    except StopIteration as done:
        answer: T = done.value
        return answer
