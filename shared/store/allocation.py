"""Giving deliveries their numbers: the one place where a user's own stream grows.

The streams are locked, sorted, before a number is given and until the commit, so numbers are without gaps and a reader
never sees the later of two before the earlier. Never by a counter in Redis: that could be ahead of the rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from shared.domain.delivery import State
from shared.protocol.envelope import Body
from shared.store import names
from shared.store.apps import AppRow
from shared.store.bulk import Bulk
from shared.store.framing import FrameSet
from shared.store.rows import NewDelivery, StreamRow


@dataclass(frozen=True, slots=True)
class Parcel:
    """One new notification for some users, (id, name) each. `expired`: it is recorded, but takes no number."""

    app: AppRow
    body: Body
    users: Sequence[tuple[int, str]]
    expired: bool


def deliver(
    session: Session, bulk: Bulk, parcels: Sequence[Parcel], frames: FrameSet, *, push_due_at: int
) -> None:
    """Insert the deliveries of these parcels, in their order, and collect the frames. Raises RunAgain."""
    streams = names.lock(session, bulk, (user_id for parcel in parcels for user_id, _ in parcel.users))
    counts: Counter[int] = Counter()
    rows: list[NewDelivery] = []
    for parcel in parcels:
        if not parcel.expired:
            frames.add_body(parcel.app, parcel.body)
        for user in parcel.users:
            rows.append(_row(parcel, streams[user[0]], counts))
            if not parcel.expired:
                frames.add_item(parcel.app, user, streams[user[0]].last_seq + counts[user[0]], parcel.body.id)
    if not rows:
        return
    bulk.add_deliveries(session, rows, counts, push_due_at=push_due_at)
    for parcel in parcels:
        for user_id, name in parcel.users:
            frames.add_record(parcel.app, streams[user_id].advanced(counts[user_id]).record(name))


def _row(parcel: Parcel, stream: StreamRow, counts: Counter[int]) -> NewDelivery:
    """The next delivery of a stream; counts it."""
    id, user_id, rev = parcel.body.id, stream.user_id, stream.rev + 1
    if parcel.expired:
        counts[user_id] += 0  # no number, but the user changes
        return NewDelivery(id, user_id, None, State.EXPIRED, rev)
    counts[user_id] += 1
    return NewDelivery(id, user_id, stream.last_seq + counts[user_id], State.PENDING, rev)
