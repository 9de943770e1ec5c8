"""The newer notification of a collapse key takes the place of the older one that its user has not read.

The older delivery is cancelled (`replaced`) and leaves the numbers of the inbox; its place in the stream stays, empty.
The newer one names it, so that a client that shows it takes it away. Under the users' locks.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.clock import to_ms
from shared.domain.delivery import State
from shared.domain.fate import Reason
from shared.models import tables as t
from shared.store.rows import StreamRow, chunks

_N, _D, _S = t.notifications.c, t.deliveries.c, t.streams.c


Rank = tuple[int, str]
"""When one was to be sent (epoch ms), and its id: the order of those with one collapse key."""


class Older(NamedTuple):
    """A delivery that was replaced; `seq` is None if it never came so far as to have one."""

    user_id: int
    notification_id: str
    seq: int | None
    unseen: bool


class Found(NamedTuple):
    """What users have of one key beside a notification: what is older and gone now, and who has a newer one."""

    older: list[Older]
    behind: set[int]


class Lost(NamedTuple):
    """How much a user's numbers lose."""

    total: int = 0
    unseen: int = 0


@dataclass(slots=True)
class Replaced:
    """`by`: for (notification, user) the older notification that it replaces; `lost`: by user."""

    by: dict[tuple[str, int], str] = field(default_factory=dict)
    lost: dict[int, Lost] = field(default_factory=dict)

    def without(self, row: StreamRow) -> StreamRow:
        """A stream row without what was replaced."""
        lost = self.lost.get(row.user_id)
        if lost is None:
            return row
        return row._replace(
            total=row.total - lost.total, unseen=row.unseen - lost.unseen, unread=row.unread - lost.total
        )


def take_away(
    session: Session,
    app_id: int,
    key: str,
    user_ids: Collection[int],
    *,
    newer: Rank,
    apart: Collection[tuple[str, int]],
) -> Found:
    """Cancel what these users, whose streams are locked, have of this key, is older and not read; by age.

    `newer` is the one that takes the place. A held one that is newer still is left to its own time; who has one that
    goes already is `behind`. `apart` are deliveries of this very transaction.
    """
    sent_at = func.coalesce(_N.send_at, _N.accepted_at)
    older: list[tuple[Rank, Older]] = []
    behind: set[int] = set()
    for part in chunks(sorted(user_ids)):
        rows = session.execute(
            select(sent_at, _D.user_id, _D.notification_id, _D.seq, _D.state, _D.seen_at)
            .join(t.notifications, _N.id == _D.notification_id)
            .where(
                _N.app_id == app_id,
                _N.collapse_key == key,
                _N.everyone.is_(False),
                _N.expired_at.is_(None),
                _D.user_id.in_(part),
                _D.state.in_([State.PENDING, State.DELIVERED, State.HELD]),
                _D.read_at.is_(None),
                _D.archived_at.is_(None),
            )
        )
        for sent, user_id, id, seq, state, seen_at in rows:
            own = (to_ms(sent), id)
            if (id, user_id) in apart or own == newer:
                continue
            if own < newer:
                older.append((own, Older(user_id, id, seq, seen_at is None)))
            elif state != State.HELD:
                behind.add(user_id)
    gone = [one for _, one in sorted(older) if one.user_id not in behind]
    _cancel(session, gone)
    return Found(gone, behind)


def _cancel(session: Session, gone: Sequence[Older]) -> None:
    by_id: dict[str, list[int]] = defaultdict(list)
    for one in gone:
        by_id[one.notification_id].append(one.user_id)
    rev = select(_S.rev + 1).where(_S.user_id == _D.user_id).scalar_subquery()
    values = {"state": State.CANCELLED, "reason": Reason.REPLACED, "held_until": None, "rev": rev}
    for id, ids in by_id.items():
        for part in chunks(ids):
            rows_of = (_D.notification_id == id) & _D.user_id.in_(part)
            session.execute(update(t.deliveries).where(rows_of).values(values))


def add_up(replaced: Replaced, newer: str, older: Sequence[Older]) -> None:
    """Note what the notification `newer` took the place of: the newest that had a number counts as replaced."""
    for one in older:
        if one.seq is None:
            continue
        replaced.by[newer, one.user_id] = one.notification_id
        was = replaced.lost.get(one.user_id, Lost())
        replaced.lost[one.user_id] = Lost(was.total + 1, was.unseen + one.unseen)


def note(session: Session, replaced: Replaced) -> None:
    """Write into the newer rows, which exist by now, what they replace, and count the older ones out."""
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (newer, user_id), older in replaced.by.items():
        alike[newer, older].append(user_id)
    for (newer, older), user_ids in sorted(alike.items()):
        for part in chunks(sorted(user_ids)):
            rows = (_D.notification_id == newer) & _D.user_id.in_(part)
            session.execute(update(t.deliveries).where(rows).values(replaces=older))
    _count_out(session, replaced.lost)


def _count_out(session: Session, lost: Mapping[int, Lost]) -> None:
    alike: dict[Lost, list[int]] = defaultdict(list)
    for user_id, own in lost.items():
        alike[own].append(user_id)
    for own, user_ids in alike.items():
        less = {
            "total": _S.total - own.total,
            "unread": _S.unread - own.total,
            "unseen": _S.unseen - own.unseen,
        }
        for part in chunks(sorted(user_ids)):
            session.execute(update(t.streams).where(_S.user_id.in_(part)).values(less))
