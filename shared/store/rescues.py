"""What went wrong on the way: what the reconciler brought, and what could not be stored as it was asked for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.audience import pages, recipients
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store import apps, audiences, page_failures
from shared.store.bulk import bulk_for
from shared.store.pages import insert_pages
from shared.store.rows import Member, NewNotification, chunks

_PAGE_SIZE = 1000


class Failure(NamedTuple):
    """When and why a notification failed before it was sent again."""

    at: datetime | None
    error: str | None


def mark_rescued(session: Session, ids: Sequence[str], *, now_ms: int) -> int:
    """Set rescued_at on what is not published and was not rescued before; how many. Call it before mark_published:
    what somebody else published meanwhile needed no rescue."""
    n, rescued = t.notifications.c, 0
    for part in chunks(sorted(set(ids))):
        waiting = update(t.notifications).where(
            n.id.in_(part), n.published_at.is_(None), n.rescued_at.is_(None), n.cancelled_at.is_(None)
        )
        rescued += session.execute(waiting.values(rescued_at=to_datetime(now_ms))).rowcount  # type: ignore[attr-defined]
    return rescued


def store_failed(
    session: Session, member: Member, *, error: str, attempts: int, now_ms: int, blank: bool = False
) -> bool:
    """Store a member as failed, so that its sender can see it and why; False if it is stored already. One that failed
    before and was retried fails again.

    Its audience is kept as pages, which nobody stores while it is failed, so that it can still be sent one day; of one
    to everyone these are the names it excludes. Topics and segments are kept as they were sent: who that is counts
    when it is sent again. `blank` leaves out all that the sender wrote, audience included, for a
    member that cannot be written as it stands. Raises UnknownApp.
    """
    app = apps.require(session, member.app)
    audience = [] if blank or member.everyone else recipients(member.users, member.exclude)
    kept = list(member.exclude) if member.everyone and not blank else audience
    row = NewNotification(
        id=member.id,
        app_id=app.id,
        event="" if blank else member.event,
        data="{}" if blank else member.data_json,
        priority=member.priority,
        everyone=member.everyone,
        recipients=len(audience),
        status=Status.FAILED,
        ttl=member.ttl,
        accepted_at=member.accepted_at,
        published_at=None,
        expires_at=member.expires_at,
        expired_at=None,
        sender=member.sender,
        request_id=member.request_id,
        collapse_key=None if blank else member.collapse_key,
        cancel_key=None if blank else member.cancel_key,
        thread_key=None if blank else member.thread_key,
        tags="[]" if blank else member.tags_json,
    )
    if member.retried:
        # Anew and whole: the row of the first failure may be a blank one, and this is the last that holds the content.
        take_failed(session, [member.id])
    if not bulk_for(session).insert_notifications(session, [row], stored_at=now_ms):
        return False
    failed = update(t.notifications).where(t.notifications.c.id == member.id)
    told = {"error": error, "attempts": attempts, "failed_at": to_datetime(now_ms)}
    session.execute(failed.values({**told, "audience": None if blank else audiences.to_send_again(member)}))
    insert_pages(session, member.id, pages(kept, _PAGE_SIZE), now_ms=now_ms)
    return True


def take_cancelled(session: Session, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Take away the deliveries of notifications that failed whole: for whom each was cancelled meanwhile, by name.

    They are stored anew with the notification.
    """
    n, d, u = t.notifications.c, t.deliveries.c, t.users.c
    found: dict[str, set[str]] = defaultdict(set)
    for part in chunks(sorted(set(ids))):
        failed = select(n.id).where(
            n.id.in_(part), n.status == Status.FAILED, n.published_at.is_(None), ~page_failures.in_pages()
        )
        own = list(session.scalars(failed.order_by(n.id).with_for_update()))
        rows = select(d.notification_id, u.name).join(t.users, u.id == d.user_id)
        gone = rows.where(d.notification_id.in_(own), d.state == State.CANCELLED, u.name.is_not(None))
        for id, name in session.execute(gone):
            found[id].add(name)
        session.execute(delete(t.deliveries).where(d.notification_id.in_(own), d.state == State.CANCELLED))
    return {id: frozenset(names) for id, names in found.items()}


def take_failed(session: Session, ids: Sequence[str]) -> dict[str, Failure]:
    """Take the rows of failed ones away, so that they can be stored anew in this transaction; what had gone wrong.

    One that failed in its pages stays: a part of its audience has it.
    """
    n, p = t.notifications.c, t.pages.c
    taken: dict[str, Failure] = {}
    for part in chunks(sorted(set(ids))):
        rows = session.execute(
            select(n.id, n.failed_at, n.error)
            .where(n.id.in_(part), n.status == Status.FAILED, ~page_failures.in_pages())
            .order_by(n.id)
            .with_for_update()
        ).all()
        those = [row.id for row in rows]
        session.execute(delete(t.pages).where(p.notification_id.in_(those)))
        session.execute(delete(t.notifications).where(n.id.in_(those)))
        taken |= {row.id: Failure(row.failed_at, row.error) for row in rows}
    return taken


def remember_failures(session: Session, failures: Mapping[str, Failure]) -> None:
    """Note on rows that were stored anew what had gone wrong before: their timeline tells it."""
    n = t.notifications.c
    for id, failure in sorted(failures.items()):
        told = {"failed_at": failure.at, "error": failure.error}
        session.execute(update(t.notifications).where(n.id == id).values(told))
