"""Marks that users set on what lies in their inbox: seen, read, archived.

The stream is locked, so what was read is still so when it is written; only rows that the action changes are touched,
and where there is none nothing moves, not even `rev`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import HIDDEN, State
from shared.domain.marks import Action, Marks, Weight, apply, weigh
from shared.ids import is_uuid7
from shared.models import tables as t
from shared.store import counts, names
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.rows import StreamRow, chunks

_N, _D = t.notifications.c, t.deliveries.c
_MARKS = (_D.seen_at, _D.read_at, _D.archived_at)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items: by state (`unread`, `read`, `archived`), event, and accepted before an instant (epoch ms)."""

    state: str | None = None
    event: str | None = None
    before: int | None = None


class _Item(NamedTuple):
    """An item as it lies in the inbox. `own`: of the user's own stream; `state` None: no row yet."""

    id: str
    own: bool
    state: str | None
    marks: Marks


def in_state(state: str | None) -> ColumnElement[bool]:
    """The condition behind a word of the interface; None is all that is not archived."""
    match state:
        case "unread":
            return and_(_D.archived_at.is_(None), _D.read_at.is_(None))
        case "read":
            return and_(_D.archived_at.is_(None), _D.read_at.is_not(None))
        case "archived":
            return _D.archived_at.is_not(None)
        case None:
            return _D.archived_at.is_(None)
        case other:
            raise ValueError(f"no state {other!r}")


def own_items(app_id: int, user_id: int) -> ColumnElement[bool]:
    """What lies in a user's own stream and is to be seen."""
    return and_(
        _D.user_id == user_id, _D.seq.is_not(None), _D.state.not_in(sorted(HIDDEN)), _N.app_id == app_id
    )


def mark(
    session: Session, app: AppRow, user_id: int, action: Action, what: Sequence[str] | Filter, now_ms: int
) -> tuple[list[str], StreamRow]:
    """Apply `action` to these ids or to all that the filter finds; the ids that changed, and the stream after it.

    Foreign, unknown and hidden ids change nothing. Raises RunAgain.
    """
    bulk = bulk_for(session)
    stream = names.lock(session, bulk, [user_id])[user_id]
    now = to_datetime(now_ms)
    items = list(_find(session, app, user_id, what, now))
    changed = [(item, after) for item in items if (after := apply(action, item.marks, now)) != item.marks]
    if not changed:
        return [], stream
    stream = stream._replace(rev=stream.rev + 1)
    _write(session, stream, changed, now)
    stream = _weighed(stream, changed)
    kept = {name: getattr(stream, name) for name in ("rev", "unseen", "unread", "archived")}
    session.execute(update(t.streams).where(t.streams.c.user_id == user_id).values(kept))
    return [item.id for item, _ in changed], stream


def _find(
    session: Session, app: AppRow, user_id: int, what: Sequence[str] | Filter, now: datetime
) -> Iterable[_Item]:
    own = (
        select(_D.notification_id, _D.state, *_MARKS)
        .join(t.notifications, _N.id == _D.notification_id)
        .where(own_items(app.id, user_id))
    )
    mine = and_(_D.notification_id == _N.id, _D.user_id == user_id)
    everyones = (
        select(_N.id, _D.state, *_MARKS)
        .outerjoin(t.deliveries, mine)
        .where(counts.visible_to_all(app.id, user_id, now))
    )
    for statement, is_own in ((own, True), (everyones, False)):
        for narrowed in _narrowed(statement, what):
            for id, state, *marks in session.execute(narrowed):
                yield _Item(id, is_own, state, Marks(*marks))


def _narrowed(
    statement: Select[*tuple[Any, ...]], what: Sequence[str] | Filter
) -> Iterable[Select[*tuple[Any, ...]]]:
    if not isinstance(what, Filter):
        ids = sorted({id for id in what if is_uuid7(id)})
        return [statement.where(_N.id.in_(part)) for part in chunks(ids)]
    if what.state is not None:
        statement = statement.where(in_state(what.state))
    if what.event is not None:
        statement = statement.where(_N.event == what.event)
    if what.before is not None:
        statement = statement.where(_N.accepted_at < to_datetime(what.before))
    return [statement]


def _write(
    session: Session, stream: StreamRow, changed: Sequence[tuple[_Item, Marks]], now: datetime
) -> None:
    """Update the rows, those with the same change together, and make rows for what went to everyone."""
    new: list[dict[str, Any]] = []
    groups: dict[tuple[tuple[str, Any], ...], list[str]] = defaultdict(list)
    for item, after in changed:
        values = {"seen_at": after.seen_at, "read_at": after.read_at, "archived_at": after.archived_at}
        if item.state is None:
            row = {"notification_id": item.id, "user_id": stream.user_id, "state": State.DELIVERED}
            new.append({**row, **values, "rev": stream.rev, "delivered_at": now})
            continue
        change: dict[str, Any] = {
            name: value for name, value in values.items() if value != getattr(item.marks, name)
        }
        if item.state != State.DELIVERED:
            change |= {"state": State.DELIVERED, "delivered_at": now}
        groups[tuple(sorted(change.items()))].append(item.id)
    for change_items, ids in groups.items():
        for part in chunks(sorted(ids)):
            rows = and_(_D.user_id == stream.user_id, _D.notification_id.in_(part))
            session.execute(update(t.deliveries).where(rows).values(dict(change_items) | {"rev": stream.rev}))
    if new:
        session.execute(insert(t.deliveries), sorted(new, key=lambda row: str(row["notification_id"])))


def _weighed(stream: StreamRow, changed: Sequence[tuple[_Item, Marks]]) -> StreamRow:
    """The counters after the change; only the user's own items count."""
    change = sum((weigh(after) - weigh(item.marks) for item, after in changed if item.own), Weight())
    return stream._replace(
        unseen=stream.unseen + change.unseen,
        unread=stream.unread + change.unread,
        archived=stream.archived + change.archived,
    )
