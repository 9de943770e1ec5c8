"""Pages that could not be stored: counted, given up in the end, and put back when their sender asks.

A given-up page keeps its names. Its notification fails once each page has ended, and whoever is on the other pages has
it by then; so it is never taken away and stored anew as one that failed whole, only its failed pages are put back.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store.pages import conclude, lock_notification
from shared.store.publishing import FIRST_WAIT_MS
from shared.store.rows import PageRef

_N, _P = t.notifications.c, t.pages.c


def count(session: Session, notification_id: str, number: int, *, error: str) -> int | None:
    """Note one more failure of a page and its reason; how many there are now.

    None: another copy of the job has stored it or given it up, so that this failure means nothing any more. Locks the
    notification, then the page.
    """
    lock_notification(session, notification_id)
    # Published without having been stored: its last user was cancelled.
    waiting = _page(notification_id, number) & _P.stored_at.is_(None) & _P.failed_at.is_(None)
    waiting &= _P.published_at.is_(None)
    failures: int | None = session.scalar(select(_P.failures).where(waiting).with_for_update())
    if failures is None:
        return None
    values = {"failures": failures + 1, "error": error}
    session.execute(update(t.pages).where(_page(notification_id, number)).values(values))
    return failures + 1


def put_off(session: Session, notification_id: str, number: int, *, until_ms: int) -> None:
    """Let the reconciler find a page again from `until_ms` on, and not before."""
    # The time of the last touch, to which the reconciler adds its first wait.
    touched = to_datetime(until_ms - FIRST_WAIT_MS)
    session.execute(update(t.pages).where(_page(notification_id, number)).values(next_attempt_at=touched))


def give_up(session: Session, notification_id: str, number: int, *, now_ms: int) -> bool:
    """Give up a page that `count` has counted in this transaction; whether its notification ended with it."""
    failed = update(t.pages).where(_page(notification_id, number))
    session.execute(failed.values(failed_at=to_datetime(now_ms)))
    return conclude(session, notification_id, now_ms)


def any_given_up(session: Session, notification_id: str) -> bool:
    """Whether a page of a notification is given up."""
    mine = (_P.notification_id == notification_id) & _P.failed_at.is_not(None)
    return bool(session.scalar(select(func.count()).where(mine)))


def any_waiting(session: Session, notification_id: str) -> bool:
    """Whether a page of a notification is still to be sent."""
    mine = (_P.notification_id == notification_id) & _P.published_at.is_(None) & _P.failed_at.is_(None)
    return bool(session.scalar(select(func.count()).where(mine)))


def in_pages() -> ColumnElement[bool]:
    """A condition on a notification that failed: it did so in its pages, and not whole; a part may have got it."""
    return exists().where(_P.notification_id == _N.id, _P.failed_at.is_not(None))


def put_back(session: Session, notification_id: str, *, now_ms: int) -> Sequence[PageRef]:
    """Let the given-up pages of a failed notification be tried anew, due at once; which they are.

    None of them if it has not failed (a second call changes nothing), failed whole before its pages were tried, or is
    `ending`. It keeps its end while that lies ahead, because the frames that others were sent carry it; a whole ttl
    begins where the end has passed or nobody has got it.
    """
    failed = (_N.id == notification_id) & (_N.status == Status.FAILED)
    columns = (_N.priority, _N.ttl, _N.expires_at, _N.expired_at, _N.published_at)
    row = session.execute(select(*columns).where(failed).with_for_update()).first()
    mine = (_P.notification_id == notification_id) & _P.failed_at.is_not(None)
    numbers = session.scalars(select(_P.number).where(mine).order_by(_P.number)).all() if row else []
    if row is None or not numbers or _ending(row, now_ms):
        return []
    ahead = row.published_at is not None and row.expired_at is None
    anew = {"failures": 0, "error": None, "failed_at": None, "attempts": 0}
    at_once = to_datetime(now_ms - FIRST_WAIT_MS)
    session.execute(update(t.pages).where(mine).values({**anew, "next_attempt_at": at_once}))
    # `failed_at` and `error` stay: its timeline tells them.
    again = {
        "status": Status.SENDING,
        "attempts": 0,
        "published_at": None,
        "expired_at": None,
        "expires_at": row.expires_at if ahead else to_datetime(now_ms + row.ttl * 1000),
    }
    session.execute(update(t.notifications).where(_N.id == notification_id).values(again))
    return [PageRef(notification_id, number, row.priority) for number in numbers]


def ending(session: Session, notification_id: str, *, now_ms: int) -> bool:
    """Whether a notification that some have got is over, and its deliveries are being expired just now: they must not
    come to life again."""
    columns = (_N.expires_at, _N.expired_at, _N.published_at)
    row = session.execute(select(*columns).where(_N.id == notification_id)).first()
    return row is not None and _ending(row, now_ms)


def _ending(row: Row[*tuple[Any, ...]], now_ms: int) -> bool:
    over = to_ms(row.expires_at) <= now_ms
    return row.published_at is not None and row.expired_at is None and over


def _page(notification_id: str, number: int) -> ColumnElement[bool]:
    return (_P.notification_id == notification_id) & (_P.number == number)
