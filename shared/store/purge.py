"""What its end lies further back than the retention: it is deleted, read or not, and leaves the numbers of the inbox.

Rows of streams are never deleted and `last_seq` and `all_seq` stay, so no number is given twice; a replay over places
that were purged finds nothing there and makes them positions. In small steps, each a transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Select, and_, delete, select, tuple_
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import HIDDEN
from shared.domain.marks import Marks, Weight, weigh
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store.bulk import bulk_for
from shared.store.counting_out import count_out
from shared.store.expiry import InboxOf, told

_N, _D, _P = t.notifications.c, t.deliveries.c, t.pages.c

NOTIFICATIONS = 100
DELIVERIES = 500
"""Of one step: some ten milliseconds, the longest that anybody waits for a stream that it locks."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What one step did. `notifications` are gone; `more`: there may be more to do, so call again."""

    notifications: list[str] = field(default_factory=list)
    deliveries: int = 0
    users: list[InboxOf] = field(default_factory=list)
    more: bool = False


def purge_due(session: Session, before_ms: int, *, notifications: int = NOTIFICATIONS) -> Purged:
    """Delete at most 500 deliveries of at most `notifications` whose end was before `before_ms`. Raises RunAgain."""
    due = _lock_due(session, before_ms, notifications)
    if not due:
        return Purged()
    pairs = session.execute(
        select(_D.notification_id, _D.user_id)
        .where(_D.notification_id.in_(due))
        .order_by(_D.notification_id, _D.user_id)
        .limit(DELIVERIES)
    ).all()
    users = _delete(session, [(id, user_id) for id, user_id in pairs]) if pairs else []
    left = set(session.scalars(select(_D.notification_id).where(_D.notification_id.in_(due)).distinct()))
    done = [id for id in due if id not in left]
    session.execute(delete(t.pages).where(_P.notification_id.in_(done)))
    session.execute(delete(t.notifications).where(_N.id.in_(done)))
    return Purged(done, len(pairs), users, more=bool(left) or len(due) == notifications)


def anything_due(session: Session, before_ms: int) -> bool:
    """Whether a step would find something; takes no lock."""
    return any(session.execute(statement.limit(1)).first() for statement in _due(before_ms))


def _due(before_ms: int) -> tuple[Select[str], Select[str]]:
    """What is over, and what failed whole; each by its own index. What failed in part ends with its ttl."""
    before = to_datetime(before_ms)
    over = select(_N.id).where(_N.expired_at < before).order_by(_N.expired_at, _N.id)
    # Every app: the index of what failed begins with it.
    failed = and_(
        _N.app_id.in_(select(t.apps.c.id)),
        _N.failed_at < before,
        _N.status == Status.FAILED,
        _N.published_at.is_(None),
    )
    return over, select(_N.id).where(failed).order_by(_N.failed_at, _N.id)


def _lock_due(session: Session, before_ms: int, limit: int) -> list[str]:
    """Lock notifications that no other process is working on, before any user."""
    found: list[str] = []
    for statement in _due(before_ms):
        if room := limit - len(found):
            found += session.scalars(
                statement.limit(room).with_for_update(skip_locked=True, of=t.notifications)
            )
    return sorted(found)


def _delete(session: Session, pairs: Sequence[tuple[str, int]]) -> list[InboxOf]:
    """Delete these deliveries and count them out, under the locks of their users."""
    user_ids = sorted({user_id for _, user_id in pairs})
    streams = {row.user_id: row for row in bulk_for(session).lock_streams(session, user_ids)}
    total: Counter[int] = Counter()
    weights: dict[int, Weight] = defaultdict(Weight)
    those = tuple_(_D.notification_id, _D.user_id).in_(pairs)
    # Read only now: until the lock was there a mark could still change them.
    rows = select(_D.user_id, _D.seq, _D.state, _D.seen_at, _D.read_at, _D.archived_at).where(those)
    for user_id, seq, state, *marks in session.execute(rows).all():
        if seq is not None and state not in HIDDEN:
            total[user_id] += 1
            weights[user_id] += weigh(Marks(*marks))
    session.execute(delete(t.deliveries).where(those))
    after = count_out(session, streams, total, weights)
    return told(session, after)
