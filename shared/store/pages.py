"""Pages of an audience that is too big for one transaction: up to 1,000 receivers each, stored one by one.

Each page is a transaction of its own and keeps its names until it is published, so after a crash at any point running
the page again either stores it or reads back what it stored.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.db import RunAgain
from shared.domain.notification import UNSENT, Status
from shared.models import tables as t
from shared.protocol.envelope import AppFrames, Body, Item
from shared.store import apps, fates, names, reading_back
from shared.store.allocation import Parcel, deliver
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.fates import Terms
from shared.store.framing import FrameSet
from shared.store.rows import PageRef, StreamRow

_ROWS_AT_ONCE = 20
"""Pages per INSERT: bounds the memory for a big audience."""


class _Page(NamedTuple):
    number: int
    names: list[str]
    stored: bool
    app: AppRow
    body: Body
    expired: bool
    terms: Terms | None


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
) -> AppFrames | None:
    """Store one page, or read back what was stored of it; the frames to publish.

    None: the page is unknown, published already, given up, or of a notification that is scheduled, failed or
    cancelled. Frames without items: it expired before it was stored, its users were erased, or none of them gets it
    now; mark it as published all the same. Raises RunAgain.
    """
    page = _lock(session, notification_id, number, now_ms)
    if page is None:
        return None
    push_due_at = now_ms + push_after_s * 1000
    if page.stored:
        frames = FrameSet()
        reading_back.read_back_page(session, page.app, page.body, page.names, frames)
        return _one(page, frames)
    return _store(session, page, now_ms=now_ms, push_due_at=push_due_at)


def mark_page_published(session: Session, notification_id: str, number: int, now_ms: int) -> bool:
    """Mark a page as published; with the last one the notification ends too. Whether it was the last.

    Give it a transaction of its own: on PostgreSQL this one does not wait for the disk.
    """
    bulk_for(session).do_not_wait_for_disk(session)
    p, now = t.pages.c, to_datetime(now_ms)
    lock_notification(session, notification_id)
    page = (p.notification_id == notification_id) & (p.number == number) & p.published_at.is_(None)
    session.execute(update(t.pages).where(page).values(published_at=now, names=None))
    return conclude(session, notification_id, now_ms)


def lock_notification(session: Session, notification_id: str) -> None:
    """Lock it before a page of it ends: of two last pages that end at once, one must see the other."""
    n = t.notifications.c
    session.execute(select(n.id).where(n.id == notification_id).with_for_update(key_share=True))


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
        .where(n.status.not_in(sorted(UNSENT)))
        .order_by(p.created_at, p.notification_id, p.number)
        .limit(limit)
    )
    return [PageRef(*row) for row in rows]


def _lock(session: Session, notification_id: str, number: int, now_ms: int) -> _Page | None:
    n, p = t.notifications.c, t.pages.c
    wanted = select(p.names, p.stored_at, p.published_at, p.failed_at)
    wanted = wanted.where(p.notification_id == notification_id, p.number == number)
    row = session.execute(wanted.with_for_update()).first()
    if row is None or row.published_at is not None or row.failed_at is not None:
        return None
    found = session.execute(reading_back.BODY_COLUMNS.where(n.id == notification_id)).one()
    if found.status in UNSENT:
        return None
    app = apps.by_id(session, [found.app_id])[found.app_id]
    return _Page(
        number=number,
        names=orjson.loads(row.names),
        stored=row.stored_at is not None,
        app=app,
        body=reading_back.body_of(found),
        expired=to_ms(found.expires_at) <= now_ms or found.expired_at is not None,
        terms=fates.terms(
            app=app,
            event=found.event,
            priority=found.priority,
            collapse_key=found.collapse_key,
            local_at=found.local_at,
        ),
    )


def _store(session: Session, page: _Page, *, now_ms: int, push_due_at: int) -> AppFrames:
    """Store a page in one step where all its users are known and the database can, else in several."""
    bulk = bulk_for(session)
    known = None
    if not page.expired and page.terms is None:
        known = bulk.deliver_known(session, page.body.id, page.app.id, page.names, push_due_at=push_due_at)
    if known is None:
        frames = FrameSet()
        users = names.resolve(session, bulk, page.app.id, page.names, now_ms=now_ms)
        pairs = [(users[name], name) for name in page.names]
        parcel = Parcel(page.app, page.body, pairs, page.expired, page.terms)
        deliver(session, bulk, [parcel], frames, now_ms=now_ms, push_due_at=push_due_at)
        stored, ids = _one(page, frames), list(users.values())
    else:
        stored, ids = _framed(page, known), [row.user_id for _, row in known]
    p = t.pages.c
    mine = (p.notification_id == page.body.id) & (p.number == page.number)
    bounds = {"first_user": min(ids), "last_user": max(ids)}
    session.execute(update(t.pages).where(mine).values({**bounds, "stored_at": to_datetime(now_ms)}))
    return stored


def _one(page: _Page, frames: FrameSet) -> AppFrames:
    built = frames.build()
    return built[0] if built else AppFrames(page.app.name, page.app.epoch)


def _framed(page: _Page, known: Sequence[tuple[str, StreamRow]]) -> AppFrames:
    """What FrameSet builds, without the detour: it is a third of the time of a page."""
    if any(row.erased for _, row in known):
        raise RunAgain("user_erased_meanwhile")
    return AppFrames(
        app=page.app.name,
        epoch=page.app.epoch,
        bodies=[page.body],
        items=[Item(name, row.last_seq, row.last_seq - 1, 0) for name, row in known],
        records={name: row.record(name) for name, row in known},
    )
