"""Pages of an audience that is too big for one transaction: up to 1,000 receivers each, stored one by one.

Each page is a transaction of its own and keeps its names until it is published, so after a crash at any point running
the page again finds out whether it was stored. Where a page is stored in one step its frames are read back after the
commit, and only those of users for whom somebody may be listening: whoever comes later finds the rows.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.notification import UNSENT, Status
from shared.models import tables as t
from shared.protocol.envelope import AppFrames, Body
from shared.store import apps, fates, names, reading_back
from shared.store.allocation import Parcel, deliver
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.fates import Terms
from shared.store.framing import FrameSet
from shared.store.rows import PageRef


class Cancelled(Exception):
    """The notification was cancelled, at least for some users: tell it again before the page is marked."""


_ROWS_AT_ONCE = 20
"""Pages per INSERT: bounds the memory for a big audience."""


_NOTIFICATION = (
    reading_back.BODY_COLUMNS.add_columns(*(column.label(f"app_{column.name}") for column in apps.COLUMNS))
    .join(t.apps, t.apps.c.id == t.notifications.c.app_id)
    .where(t.notifications.c.id == bindparam("of"))
)
"""A notification with its app, made once: making a statement takes longer than the server needs for it."""


class StoredPage(NamedTuple):
    """A page that is stored and not published; `names` is JSON text. Without `frames` they are read back after the
    commit, for whom they may concern."""

    number: int
    names: str
    app: AppRow
    body: Body
    frames: AppFrames | None


class _Page(NamedTuple):
    number: int
    names: str
    stored: bool
    app: AppRow
    body: Body
    expired: bool
    terms: Terms | None
    cancelled: bool


class Written(NamedTuple):
    """How many pages were inserted, and names on all of them."""

    pages: int
    names: int


def insert_pages(
    session: Session, notification_id: str, parts: Iterable[Sequence[str]], *, now_ms: int
) -> Written:
    """Insert a page for each part of an audience, numbered from 0. Holds a few parts in memory, never all."""
    waiting: list[dict[str, object]] = []
    pages = receivers = 0
    for part in parts:
        values = orjson.dumps(part).decode()
        row = {"notification_id": notification_id, "number": pages, "names": values}
        waiting.append({**row, "created_at": to_datetime(now_ms)})
        pages += 1
        receivers += len(part)
        if len(waiting) == _ROWS_AT_ONCE:
            session.execute(insert(t.pages), waiting)
            waiting = []
    if waiting:
        session.execute(insert(t.pages), waiting)
    return Written(pages, receivers)


def store_page(
    session: Session, notification_id: str, number: int, *, now_ms: int, push_after_s: int
) -> StoredPage | None:
    """Store one page if that has not been done; what is to be published after the commit.

    None: the page is unknown, published already, given up, or of a notification that is scheduled, failed or
    cancelled. Of one that expired before it was stored, whose users were erased, none of whom gets it now, or that was
    cancelled after it was stored, there are no frames; mark it as published all the same. Raises RunAgain.
    """
    page = _lock(session, notification_id, number, now_ms)
    if page is None:
        return None
    frames = None
    if not page.stored:
        frames = _store(session, page, now_ms=now_ms, push_due_at=now_ms + push_after_s * 1000)
    elif page.cancelled:
        frames = AppFrames(page.app.name, page.app.epoch)
    return StoredPage(page.number, page.names, page.app, page.body, frames)


def page_frames(session: Session, page: StoredPage, names: Sequence[str]) -> AppFrames:
    """The frames of some users on a stored page, read back: none for those without a numbered delivery, and for the
    erased. The same bytes each time."""
    frames = FrameSet()
    reading_back.read_back_page(session, page.app, page.body, names, frames)
    return _one(page.app, frames)


def mark_pages_published(
    session: Session, notification_id: str, numbers: Collection[int], now_ms: int
) -> bool:
    """Mark pages as published; with the last one the notification ends too. Whether the last was among them.

    Give it a transaction of its own: on PostgreSQL this one does not wait for the disk. Raises Cancelled.
    """
    bulk_for(session).do_not_wait_for_disk(session)
    if lock_notification(session, notification_id):
        raise Cancelled(notification_id)
    return end_pages(session, notification_id, numbers, now_ms)


def end_pages(session: Session, notification_id: str, numbers: Collection[int], now_ms: int) -> bool:
    """Mark pages of a locked notification as published, cancelled or not. Whether the last was among them."""
    p, now = t.pages.c, to_datetime(now_ms)
    pages = (p.notification_id == notification_id) & p.number.in_(sorted(numbers)) & p.published_at.is_(None)
    session.execute(update(t.pages).where(pages).values(published_at=now, names=None))
    return conclude(session, notification_id, now_ms)


def lock_notification(session: Session, notification_id: str) -> bool:
    """Lock it before a page of it ends: of two last pages that end at once, one must see the other. Whether it was
    cancelled, in whole or for some users."""
    n = t.notifications.c
    found = select(n.cancelled_at).where(n.id == notification_id).with_for_update(key_share=True)
    return session.scalar(found) is not None


def conclude(session: Session, notification_id: str, now_ms: int) -> bool:
    """End a locked notification if each of its pages has ended; whether that is so.

    It is sent, or failed if one of its pages is. With `published_at` a failed one went to part of its audience.
    """
    n, p, now = t.notifications.c, t.pages.c, to_datetime(now_ms)
    mine, of_it = n.id == notification_id, p.notification_id == notification_id
    if session.scalar(select(func.count()).where(of_it, p.published_at.is_(None), p.failed_at.is_(None))):
        return False
    told = select(p.number, p.error, p.failures).where(of_it, p.failed_at.is_not(None)).order_by(p.number)
    failed = session.execute(told).all()
    if not failed or session.scalar(select(func.count()).where(of_it, p.published_at.is_not(None))):
        unmarked = mine & n.published_at.is_(None)
        session.execute(update(t.notifications).where(unmarked).values(published_at=now))
    values: dict[str, object] = {"status": Status.SENT}
    if failed:
        others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        values = {
            "status": Status.FAILED,
            "failed_at": now,
            "error": f"page {failed[0].number}: {failed[0].error}{others}",
            "attempts": max(page.failures for page in failed),
        }
    session.execute(update(t.notifications).where(mine & (n.status == Status.SENDING)).values(values))
    return True


def stale_pages(session: Session, *, older_than_ms: int, limit: int) -> list[PageRef]:
    """Pages neither published nor given up that nobody has touched since `older_than_ms`, the oldest first."""
    n, p = t.notifications.c, t.pages.c
    touched = func.coalesce(p.next_attempt_at, p.created_at)
    rows = session.execute(
        select(p.notification_id, p.number, n.priority)
        .join(t.notifications, n.id == p.notification_id)
        .where(p.published_at.is_(None), p.failed_at.is_(None), touched < to_datetime(older_than_ms))
        # What is cancelled has only pages that were stored, and may have been published since.
        .where(n.status.not_in(sorted(UNSENT - {Status.CANCELLED})))
        .order_by(p.created_at, p.notification_id, p.number)
        .limit(limit)
    )
    return [PageRef(*row) for row in rows]


def _lock(session: Session, notification_id: str, number: int, now_ms: int) -> _Page | None:
    locked = bulk_for(session).lock_page(session, notification_id, number)
    if locked is None:
        return None
    found = session.execute(_NOTIFICATION, {"of": notification_id}).one()
    stored, cancelled = locked[1], found.status == Status.CANCELLED
    if found.status in UNSENT and not (stored and cancelled):
        return None
    app = apps.of_row(found[-len(apps.COLUMNS) :])
    return _Page(
        number=number,
        names=locked[0],
        stored=stored,
        app=app,
        body=reading_back.body_of(found),
        expired=to_ms(found.expires_at) <= now_ms or found.expired_at is not None,
        terms=fates.terms(
            app=app,
            event=found.event,
            priority=found.priority,
            sent=to_ms(found.send_at or found.accepted_at),
            collapse_key=found.collapse_key,
            local_at=found.local_at,
        ),
        cancelled=cancelled,
    )


def _plain(page: _Page) -> bool:
    """Whether each of its users gets the next number, and nothing has to be decided user by user."""
    return not page.expired and page.terms is None


def _store(session: Session, page: _Page, *, now_ms: int, push_due_at: int) -> AppFrames | None:
    """Store a page in one step where all its users are known and the database can, else in several; the frames, where
    they say more than could be read back."""
    bulk, id, plain = bulk_for(session), page.body.id, _plain(page)
    if plain and bulk.store_page(
        session, id, page.number, page.app.id, now_ms=now_ms, push_due_at=push_due_at
    ):
        return None
    frames = FrameSet()
    users = names.resolve(session, bulk, page.app.id, orjson.loads(page.names), now_ms=now_ms)
    pairs = [(user_id, name) for name, user_id in users.items()]
    parcel = Parcel(page.app, page.body, pairs, page.expired, page.terms)
    deliver(session, bulk, [parcel], frames, now_ms=now_ms, push_due_at=push_due_at)
    p, ids = t.pages.c, users.values()
    mine = (p.notification_id == id) & (p.number == page.number)
    # All on it may have been cancelled.
    bounds = {"first_user": min(ids, default=None), "last_user": max(ids, default=None)}
    session.execute(update(t.pages).where(mine).values({**bounds, "stored_at": to_datetime(now_ms)}))
    return None if plain else _one(page.app, frames)


def _one(app: AppRow, frames: FrameSet) -> AppFrames:
    built = frames.build()
    return built[0] if built else AppFrames(app.name, app.epoch)
