"""What outlived its ttl without an ack: it is expired, and leaves the numbers of the inbox.

In small steps, each a transaction, so that a million expiring at once hold no lock for long.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Record
from shared.store import apps
from shared.store.bulk import bulk_for
from shared.store.receipts import ACK_GRACE_MS
from shared.store.rows import CHUNK, StreamRow

_N, _D, _U, _S = t.notifications.c, t.deliveries.c, t.users.c, t.streams.c
_OPEN = (State.PENDING, State.HELD)


class InboxOf(NamedTuple):
    """A user whose inbox lost something: app, its epoch and top, and the record to put into Redis."""

    app: str
    epoch: str
    app_top: int
    record: Record


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step did. `more`: there may be more to do, so call again."""

    users: list[InboxOf] = field(default_factory=list)
    more: bool = False


def expire_due(session: Session, now_ms: int, limit: int = CHUNK) -> Expired:
    """Expire pending and held deliveries of at most `limit` users in at most `limit` notifications. Raises RunAgain.

    Only what is published, or failed on some pages and published on the others, is looked at: no page can add
    deliveries to it afterwards, unless a retry gives it a new end.
    """
    limit = min(limit, CHUNK)
    due = _lock_due(session, now_ms, limit)
    if not due:
        return Expired()
    pending = and_(_D.notification_id.in_(due), _D.state.in_(_OPEN))
    user_ids = sorted(session.scalars(select(_D.user_id).where(pending).distinct().limit(limit)))
    users = _expire(session, due, user_ids) if user_ids else []
    open_ones = select(_D.notification_id).where(pending).distinct()
    done = sorted(set(due) - set(session.scalars(open_ones)))
    session.execute(update(t.notifications).where(_N.id.in_(done)).values(expired_at=to_datetime(now_ms)))
    return Expired(users, more=len(due) == limit or len(done) < len(due))


def _lock_due(session: Session, now_ms: int, limit: int) -> list[str]:
    """Lock notifications past their end that no other process is working on, before any user."""
    over = _N.expires_at <= to_datetime(now_ms - ACK_GRACE_MS)
    candidates = (
        select(_N.id)
        # What is cancelled ends when all of it is taken back.
        .where(_N.expired_at.is_(None), _N.published_at.is_not(None), over, _N.status != Status.CANCELLED)
        .order_by(_N.expires_at, _N.id)
        .limit(limit)
    )
    return list(session.scalars(candidates.with_for_update(skip_locked=True, key_share=True)))


def _expire(session: Session, due: Sequence[str], user_ids: Sequence[int]) -> list[InboxOf]:
    """Under the locks of the users: expire what is still pending or held, and count out what had a place."""
    streams = {row.user_id: row for row in bulk_for(session).lock_streams(session, user_ids)}
    mine = and_(_D.notification_id.in_(due), _D.user_id.in_(user_ids), _D.state.in_(_OPEN))
    counts: Counter[int] = Counter()
    for user_id, seq in session.execute(select(_D.user_id, _D.seq).where(mine)):
        counts[user_id] += seq is not None
    if not counts:
        return []
    rev = select(_S.rev + 1).where(_S.user_id == _D.user_id).scalar_subquery()
    over = {"state": State.EXPIRED, "held_until": None, "rev": rev}
    session.execute(update(t.deliveries).where(mine).values(over))
    by_count: dict[int, list[int]] = defaultdict(list)
    for user_id, count in counts.items():
        by_count[count].append(user_id)
    for count, ids in by_count.items():
        gone = {"total": _S.total - count, "unseen": _S.unseen - count, "unread": _S.unread - count}
        session.execute(update(t.streams).where(_S.user_id.in_(ids)).values({**gone, "rev": _S.rev + 1}))
    return told(session, [_without(streams[user_id], count) for user_id, count in sorted(counts.items())])


def _without(row: StreamRow, count: int) -> StreamRow:
    return row._replace(
        total=row.total - count, unseen=row.unseen - count, unread=row.unread - count, rev=row.rev + 1
    )


def told(session: Session, rows: Sequence[StreamRow]) -> list[InboxOf]:
    """What Redis is to know of these streams; erased users are left out."""
    by_id = {row.user_id: row for row in rows}
    named = select(_U.id, _U.app_id, _U.name).where(_U.id.in_(sorted(by_id)), _U.name.is_not(None))
    users = session.execute(named.order_by(_U.id)).all()
    known = apps.by_id(session, {user.app_id for user in users})
    found = []
    for id, app_id, name in users:
        app = known[app_id]
        found.append(InboxOf(app.name, app.epoch, app.all_seq, by_id[id].record(name)))
    return found
