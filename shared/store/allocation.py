"""Giving deliveries their numbers: the one place where a user's own stream grows.

The streams are locked, sorted, before a number is given and until the commit, so numbers are without gaps and a reader
never sees the later of two before the earlier. Never by a counter in Redis: that could be ahead of the rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from shared.domain.delivery import State
from shared.domain.fate import EXPIRED, GO, REPLACED, Fate
from shared.protocol.envelope import Body
from shared.store import collapsing, fates, framing, held, names
from shared.store.apps import AppRow
from shared.store.bulk import Bulk
from shared.store.collapsing import Replaced
from shared.store.fates import Terms
from shared.store.framing import FrameSet
from shared.store.rows import NewDelivery, StreamRow

_NO_FATES: Final[Mapping[int, Fate]] = {}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One new notification for some users, (id, name) each. `expired`: it is recorded, but takes no number. Without
    `terms` nothing else can keep it from any of them."""

    app: AppRow
    body: Body
    users: Sequence[tuple[int, str]]
    expired: bool
    terms: Terms | None = None


def deliver(
    session: Session,
    bulk: Bulk,
    parcels: Sequence[Parcel],
    frames: FrameSet,
    *,
    now_ms: int,
    push_due_at: int,
) -> None:
    """Insert the deliveries of these parcels, in their order, and collect the frames. Raises RunAgain."""
    streams = names.lock(session, bulk, (user_id for parcel in parcels for user_id, _ in parcel.users))
    decided = fates.decide_all(session, parcels, now_ms=now_ms) if any(p.terms for p in parcels) else {}
    replaced = _replace(session, parcels, decided, frames) if decided else Replaced()
    counts: Counter[int] = Counter()
    rows: list[NewDelivery] = []
    for parcel in parcels:
        rows += _rows(parcel, streams, counts, decided.get(parcel.body.id, _NO_FATES), replaced, frames)
    if not rows:
        return
    bulk.add_deliveries(session, rows, counts, push_due_at=push_due_at)
    held.note(session, decided)
    collapsing.note(session, replaced)
    _records(frames, parcels, streams, counts, replaced)


def release(  # noqa: PLR0913 -- as deliver, and the streams
    session: Session,
    bulk: Bulk,
    parcels: Sequence[Parcel],
    streams: Mapping[int, StreamRow],
    frames: FrameSet,
    *,
    now_ms: int,
    push_due_at: int,
) -> list[tuple[str, int]]:
    """The same for deliveries that are there and held, of users whose streams are locked; (notification, user) of
    those that go now. Each parcel has terms."""
    decided = fates.decide_all(session, parcels, now_ms=now_ms)
    replaced = _replace(session, parcels, decided, frames)
    counts: Counter[int] = Counter()
    rows: list[NewDelivery] = []
    for parcel in parcels:
        rows += _rows(parcel, streams, counts, decided[parcel.body.id], replaced, frames)
    if not rows:
        return []
    going = [row for row in rows if row.seq is not None]
    bulk.release(session, going, counts, now_ms=now_ms, push_due_at=push_due_at)
    held.note(session, decided)
    collapsing.note(session, replaced)
    _records(frames, parcels, streams, counts, replaced)
    return [(row.notification_id, row.user_id) for row in going]


def _rows(
    parcel: Parcel,
    streams: Mapping[int, StreamRow],
    counts: Counter[int],
    decided: Mapping[int, Fate],
    replaced: Replaced,
    frames: FrameSet,
) -> Iterator[NewDelivery]:
    """The next delivery of each of its users; counts and frames them."""
    key = frames.add_body(parcel.app, parcel.body)
    for user in parcel.users:
        fate = EXPIRED if parcel.expired else decided.get(user[0], GO)
        row = _row(parcel, streams[user[0]], counts, fate)
        if row.seq is not None:
            older = replaced.by.get((parcel.body.id, user[0])) if replaced.by else None
            own = key if older is None else _variant(frames, parcel, older)
            frames.add_item(parcel.app, user, row.seq, own)
        yield row


def _variant(frames: FrameSet, parcel: Parcel, older: str) -> str:
    return frames.add_body(parcel.app, framing.replaced_by(parcel.body, older), older)


def _replace(
    session: Session, parcels: Sequence[Parcel], decided: dict[str, dict[int, Fate]], frames: FrameSet
) -> Replaced:
    """Take away what the parcels with a collapse key take the place of; who has a newer one already gets none."""
    replaced = Replaced()
    apart = {(parcel.body.id, user_id) for parcel in parcels for user_id, _ in parcel.users}
    for parcel in parcels:
        if parcel.terms is None or parcel.terms.collapse_key is None:
            continue
        fate_of = decided[parcel.body.id]
        going = {user_id: name for user_id, name in parcel.users if fates.goes(fate_of, user_id)}
        key, newer = parcel.terms.collapse_key, fates.rank(parcel)
        found = collapsing.take_away(session, parcel.app.id, key, going, newer=newer, apart=apart)
        fate_of.update(dict.fromkeys(found.behind, REPLACED))
        collapsing.add_up(replaced, parcel.body.id, found.older)
        for one in found.older:
            if one.seq is not None:
                frames.add_gone(parcel.app, going[one.user_id], one.seq)
    return replaced


def _records(
    frames: FrameSet,
    parcels: Sequence[Parcel],
    streams: Mapping[int, StreamRow],
    counts: Counter[int],
    replaced: Replaced,
) -> None:
    for parcel in parcels:
        for user_id, name in parcel.users:
            row = streams[user_id].advanced(counts[user_id])
            frames.add_record(parcel.app, replaced.without(row).record(name))


def _row(parcel: Parcel, stream: StreamRow, counts: Counter[int], fate: Fate) -> NewDelivery:
    """The next delivery of a stream; counts it."""
    id, user_id, rev = parcel.body.id, stream.user_id, stream.rev + 1
    if fate.state is not State.PENDING:
        counts[user_id] += 0  # no number, but the user changes
        return NewDelivery(id, user_id, None, fate.state, rev)
    counts[user_id] += 1
    return NewDelivery(id, user_id, stream.last_seq + counts[user_id], State.PENDING, rev)
