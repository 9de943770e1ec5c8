"""Which notifications are published, and what has to be published again.

`published_at` is the memory between the commit and the publish: a row without it after 15 s is published once more,
byte for byte the same, and clients drop what they have.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, case, exists, func, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.notification import UNSENT, Status
from shared.models import tables as t
from shared.protocol.envelope import AppFrames
from shared.store import reading_back
from shared.store.bulk import bulk_for
from shared.store.framing import FrameSet
from shared.store.pages import mark_pages_published, stale_pages
from shared.store.rows import PageRef, chunks

__all__ = [
    "Unpublished",
    "frames_of",
    "mark_late",
    "mark_pages_published",
    "mark_published",
    "postpone",
    "stale_pages",
    "unpublished",
]

FIRST_WAIT_MS: Final = 15_000
"""How old something unpublished is when the reconciler first looks at it; the caller's `older_than_ms` says so."""
LONGEST_WAIT_MS: Final = 300_000


_WAITING: Final = sorted(UNSENT - {Status.CANCELLED})
"""Not what is cancelled: who was about to publish it may have died then, and it has to be taken back again."""


@dataclass(frozen=True, slots=True)
class Unpublished:
    """What is stored and not published: whole notifications, and pages."""

    ids: list[str]
    pages: list[PageRef]


def mark_published(session: Session, ids: Sequence[str], now_ms: int) -> int:
    """Mark notifications without pages as published; how many were not. Give it a transaction of its own: on
    PostgreSQL this one does not wait for the disk.

    What was cancelled meanwhile is left out: tell that again (shared.store.retractions.late), then `mark_late`.
    """
    return bulk_for(session).mark_published(session, sorted(set(ids)), now_ms=now_ms) if ids else 0


def mark_late(session: Session, ids: Sequence[str], now_ms: int) -> int:
    """Mark notifications as published although they were cancelled meanwhile; how many were not."""
    n = t.notifications.c
    waiting = update(t.notifications).where(n.id.in_(sorted(ids)), n.published_at.is_(None))
    sent = case((n.status == Status.SENDING, Status.SENT), else_=n.status)
    marked = session.execute(waiting.values(published_at=to_datetime(now_ms), status=sent))
    return int(marked.rowcount)  # type: ignore[attr-defined]


def frames_of(session: Session, ids: Sequence[str]) -> list[AppFrames]:
    """The frames of those of `ids` that are stored and not published; big ones are left to their pages."""
    frames = FrameSet()
    reading_back.read_back(session, ids, frames)
    return frames.build()


def unpublished(session: Session, *, older_than_ms: int, limit: int) -> Unpublished:
    """What nobody has published or tried to since `older_than_ms`, the oldest first; at most `limit` of each kind."""
    n, p = t.notifications.c, t.pages.c
    touched = func.coalesce(n.next_attempt_at, n.stored_at)
    statement = (
        select(n.id)
        # The partial index says both; without the second it could not be used.
        .where(n.published_at.is_(None), n.due_at.is_(None))
        .where(n.status.not_in(_WAITING), touched < to_datetime(older_than_ms))
        .where(~exists().where(p.notification_id == n.id))
        .order_by(n.stored_at, n.id)
        .limit(limit)
    )
    ids = list(session.scalars(statement))
    return Unpublished(ids, stale_pages(session, older_than_ms=older_than_ms, limit=limit))


def postpone(session: Session, found: Unpublished, *, now_ms: int) -> None:
    """Note an attempt on what was found; the more there were, the longer until it is found again: 30, 60 … 300 s.

    A queue that is merely long would otherwise fill with copies of what waits in it.
    """
    n, p = t.notifications.c, t.pages.c
    for part in chunks(sorted(found.ids)):
        waiting = (n.id.in_(part)) & n.published_at.is_(None)
        for attempts in _highest_first(session, select(n.attempts).where(waiting)):
            alike = update(t.notifications).where(waiting, n.attempts == attempts)
            session.execute(alike.values(_attempted(attempts, now_ms)))
    numbers: dict[str, list[int]] = defaultdict(list)
    for page in sorted(found.pages):
        numbers[page.notification_id].append(page.number)
    for id, those in numbers.items():
        pages = (p.notification_id == id) & p.number.in_(those) & p.published_at.is_(None)
        for attempts in _highest_first(session, select(p.attempts).where(pages)):
            alike = update(t.pages).where(pages, p.attempts == attempts)
            session.execute(alike.values(_attempted(attempts, now_ms)))


def _highest_first(session: Session, attempts: Select[int]) -> list[int]:
    """The numbers of attempts there are; in this order a row that is counted up is not met again."""
    return sorted(session.scalars(attempts.distinct()), reverse=True)


def _attempted(attempts: int, now_ms: int) -> dict[str, Any]:
    """`next_attempt_at` is what counts as the time of the last touch, so the first wait is already in it."""
    wait_ms = min(FIRST_WAIT_MS * 2 ** min(attempts + 1, 16), LONGEST_WAIT_MS) - FIRST_WAIT_MS
    return {"attempts": attempts + 1, "next_attempt_at": to_datetime(now_ms + wait_ms)}
