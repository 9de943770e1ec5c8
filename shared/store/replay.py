"""What one user missed, read from the database: for absences longer than the tail reaches.

Both streams are answered without a hole or not at all. Places that hold nothing for the user (expired, cancelled,
excluded, erased) become positions, so that the client's numbers still follow each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.delivery import HIDDEN
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import TailFrame
from shared.protocol.frames import fragment
from shared.store import apps, counts, streams
from shared.store.apps import AppRow
from shared.store.broadcasts import REPLACED_ID
from shared.store.rows import StreamRow

NEWEST: Final = 100
"""How many notifications to everyone a client gets that does not say where it stands."""

_N, _D = t.notifications.c, t.deliveries.c
_CONTENT = (_N.id, _N.event, _N.data, _N.expires_at, _N.sender)
_OWN_SENT = func.coalesce(_D.released_at, _N.send_at, _N.accepted_at)
_ALL_SENT = func.coalesce(_N.send_at, _N.accepted_at)
_Place = Row[*tuple[Any, ...]]

__all__ = ["NEWEST", "Replay", "read_frames"]


@dataclass(frozen=True, slots=True)
class Replay:
    """The frames of both streams after `me_since` and `all_since`. Not `complete`: there is no whole answer, the client
    reloads and goes on from the tops."""

    me: list[TailFrame]
    all: list[TailFrame]
    me_top: int
    all_top: int
    complete: bool
    epoch: str | None = None
    me_since: int | None = None
    all_since: int | None = None


def read_frames(  # noqa: PLR0913 -- the arguments of the job
    session: Session,
    app: str,
    user: str,
    me_since: int | None,
    all_since: int | None,
    *,
    limit: int = 1000,
    now_ms: int,
) -> Replay:
    """The frames after `me_since` and `all_since`, at most `limit` together.

    None means: of `me` what no device has acknowledged; of `all` the newest 100 that are alive and not acknowledged.
    """
    found = apps.get(session, app)
    if found is None:
        return Replay([], [], 0, 0, complete=False)
    stream = streams.find(session, found.id, user)
    me_top = stream.last_seq if stream else 0
    lost = Replay([], [], me_top, found.all_seq, complete=False, epoch=found.epoch)
    if (me_since or 0) > me_top or (all_since or 0) > found.all_seq:
        return lost
    mine = _me(session, stream, me_since, limit, now_ms)
    everyones = _all(session, found, stream, all_since, limit, now_ms)
    if len(mine[1]) + len(everyones[1]) > limit:
        return lost
    me, all = _chain(*mine, top=me_top), _chain(*everyones, top=found.all_seq)
    tops, starts = (me_top, found.all_seq), (mine[0], everyones[0])
    return Replay(me, all, *tops, complete=True, epoch=found.epoch, me_since=starts[0], all_since=starts[1])


def _me(
    session: Session, stream: StreamRow | None, since: int | None, limit: int, now_ms: int
) -> tuple[int, Sequence[_Place]]:
    """Where the user's own frames begin, and what is to be seen after that; one more than `limit` at most."""
    if stream is None:
        return 0, []
    start = stream.acked if since is None else since
    rows = session.execute(
        select(_D.seq, _OWN_SENT, _D.replaces, *_CONTENT)
        .join(t.notifications, _N.id == _D.notification_id)
        .where(_D.user_id == stream.user_id, _D.seq > start, _D.seq <= stream.last_seq)
        .where(
            _D.state.not_in(sorted(HIDDEN)),
            _N.expires_at > to_datetime(now_ms),
            _N.status != Status.CANCELLED,
        )
        .order_by(_D.seq)
        .limit(limit + 1)
    )
    return start, rows.all()


def _all(
    session: Session, app: AppRow, stream: StreamRow | None, since: int | None, limit: int, now_ms: int
) -> tuple[int, Sequence[_Place]]:
    """Where everyone's frames begin, and what is to be seen after that; one more than `limit` at most."""
    user_id = stream.user_id if stream else None
    start = (stream.all_acked if stream else 0) if since is None else since
    statement = select(_N.all_seq, _ALL_SENT, REPLACED_ID, *_CONTENT).where(
        counts.visible_to_all(app.id, user_id, to_datetime(now_ms)),
        _N.all_seq > start,
        _N.all_seq <= app.all_seq,
    )
    if since is not None:
        return start, session.execute(statement.order_by(_N.all_seq).limit(limit + 1)).all()
    rows = session.execute(statement.order_by(_N.all_seq.desc()).limit(NEWEST)).all()[::-1]
    return (rows[0][0] - 1 if len(rows) == NEWEST else start), rows


def _chain(start: int, rows: Sequence[_Place], *, top: int) -> list[TailFrame]:
    """Frames and positions from `start` to `top` without a hole."""
    frames: list[TailFrame] = []
    last = start
    for seq, sent_at, replaces, id, event, data, expires_at, sender in rows:
        if seq - last > 1:
            frames.append(TailFrame(seq - 1, last, 0, b""))
        expires = to_ms(expires_at)
        text = fragment(
            id=id,
            event=event,
            data_json=data,
            sent_at_ms=to_ms(sent_at),
            expires_at_ms=expires,
            sender=sender,
            replaces=replaces,
        )
        frames.append(TailFrame(seq, seq - 1, expires, text.encode()))
        last = seq
    if last < top:
        frames.append(TailFrame(top, last, 0, b""))
    return frames
