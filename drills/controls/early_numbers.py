"""A worker that takes a user's numbers before the transaction that uses them, as with a counter in Redis.

It rests a moment in between, as on a busy database: so it does not depend on luck whether somebody looks just then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace

from sqlalchemy import text
from sqlalchemy.orm import Session

from shared.store import allocation, names
from shared.store.bulk import Bulk
from shared.store.bulk_postgres import PostgresBulk
from shared.store.rows import NewDelivery, StreamRow
from workers.celery_app import app

__all__ = ["app"]

_TAKEN = "numbers_taken"
_REST = text("SELECT pg_sleep(random() * 0.1)")
_ADVANCE = text("""
    UPDATE streams SET last_seq = last_seq + :new, rev = rev + 1, total = total + :new, unseen = unseen + :new,
        unread = unread + :new
    WHERE user_id = :id
""")
_add = PostgresBulk.add_deliveries


def _take(session: Session, bulk: Bulk, user_ids: Iterable[int]) -> dict[int, StreamRow]:
    """Read and advance the streams in a transaction of their own; those of users made just now cannot be seen yet."""
    counts = Counter(user_ids)
    if not counts:
        return {}
    with Session(session.get_bind()) as own, own.begin():
        rows = {row.user_id: row for row in bulk.lock_streams(own, sorted(counts))}
        if len(rows) == len(counts):
            own.execute(_ADVANCE, [{"id": id, "new": new} for id, new in sorted(counts.items())])
    if len(rows) != len(counts):
        return names.lock(session, bulk, counts)
    session.info[_TAKEN] = True
    session.execute(_REST)
    return rows


def _add_what_was_taken(
    self: PostgresBulk,
    session: Session,
    rows: Sequence[NewDelivery],
    counts: Mapping[int, int],
    *,
    push_due_at: int,
) -> None:
    taken = session.info.pop(_TAKEN, False)
    _add(self, session, rows, {} if taken else counts, push_due_at=push_due_at)


vars(allocation)["names"] = SimpleNamespace(lock=_take)
setattr(PostgresBulk, "add_deliveries", _add_what_was_taken)  # noqa: B010  # that is the control
