"""connection_logs: written in batches, read per user, closed for nodes that died, deleted when they are old.

A connection is written by its name, so a batch may come twice; what is known of its end is written over what was only
assumed of it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Insert, delete, or_, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.models import tables as t
from shared.protocol.visit import Visit
from shared.store import apps
from shared.store.bulk import bulk_for

_C = t.connection_logs.c
_END: Final = ("closed_at", "code", "reason", "duration")

STEP: Final = 500
"""Rows of one step of closing or deleting."""
LOST: Final = 1006
"""The code of RFC 6455 section 7.4.1 for a connection that ended without one."""
NODE_DIED: Final = "the node died"
NAME_MAX: Final = 48
NODE_MAX: Final = 32


class Place(NamedTuple):
    """Where a page of the list ended: when the connection opened (epoch milliseconds), and its row."""

    opened_at: int
    id: int


class ConnectionRow(NamedTuple):
    """A connection of a user; open as long as `closed_at` is None. `duration` is milliseconds."""

    id: int
    connection: str
    node: str
    opened_at: datetime
    closed_at: datetime | None
    code: int | None
    reason: str | None
    duration: int | None
    sign_in: str
    dialect: str
    address: str | None

    @property
    def place(self) -> Place:
        """Its place in the list of the user."""
        return Place(to_ms(self.opened_at), self.id)


def write(session: Session, visits: Iterable[Visit]) -> int:
    """Write what is known of these connections; how many. Those of unknown or erased users are left out.

    Raises RunAgain.
    """
    by_app: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_app[visit.app].append(visit)
    opened: list[dict[str, Any]] = []
    closed: list[dict[str, Any]] = []
    for app in apps.list_all(session):
        mine = by_app.get(app.name, [])
        names = sorted({visit.user for visit in mine})
        known = bulk_for(session).known_users(session, app.id, names) if names else {}
        for visit in mine:
            if visit.user in known and _named(visit):
                (opened if visit.closed_at is None else closed).append(_row(visit, known[visit.user]))
    for rows, overwrite in ((opened, ()), (closed, _END)):
        if rows:
            # In one order, so that two batches of the same connections do not wait for each other.
            rows.sort(key=lambda row: row["connection"])
            session.execute(_insert(session, overwrite), rows)
    return len(opened) + len(closed)


def of_user(
    session: Session, user_id: int, *, before: Place | None = None, limit: int = 50
) -> list[ConnectionRow]:
    """A user's connections, the newest first; those after `before` in this order."""
    statement = select(*(_C[name] for name in ConnectionRow._fields)).where(_C.user_id == user_id)
    if before is not None:
        at = to_datetime(before.opened_at)
        statement = statement.where(_C.opened_at <= at, or_(_C.opened_at < at, _C.id < before.id))
    rows = session.execute(statement.order_by(_C.opened_at.desc(), _C.id.desc()).limit(limit))
    return [ConnectionRow(*row) for row in rows]


def open_nodes(session: Session) -> list[str]:
    """The nodes that have connections that nobody saw closing."""
    return list(session.scalars(select(_C.node).where(_C.closed_at.is_(None)).distinct()))


def close_for_dead(session: Session, nodes: Collection[str], *, now_ms: int) -> int:
    """Close at most 500 connections of nodes that died, now; how many."""
    left = select(_C.id, _C.opened_at).where(_C.closed_at.is_(None), _C.node.in_(sorted(nodes)))
    rows = session.execute(left.order_by(_C.id).limit(STEP).with_for_update(skip_locked=True)).all()
    for id, opened_at in rows:
        end = {"closed_at": to_datetime(now_ms), "code": LOST, "reason": NODE_DIED}
        lasted = max(0, now_ms - to_ms(opened_at))
        session.execute(update(t.connection_logs).where(_C.id == id).values(**end, duration=lasted))
    return len(rows)


def any_old(session: Session, before_ms: int) -> bool:
    """Whether a step of the purge would find something; takes no lock."""
    old = select(_C.id).where(_C.closed_at < to_datetime(before_ms))
    return session.execute(old.limit(1)).first() is not None


def purge(session: Session, before_ms: int) -> int:
    """Delete at most 500 connections that closed before; how many."""
    old = select(_C.id).where(_C.closed_at < to_datetime(before_ms)).order_by(_C.closed_at).limit(STEP)
    ids = sorted(session.scalars(old.with_for_update(skip_locked=True)))
    if ids:
        session.execute(delete(t.connection_logs).where(_C.id.in_(ids)))
    return len(ids)


def erase(session: Session, user_id: int) -> None:
    """Forget the connections of a user."""
    session.execute(delete(t.connection_logs).where(_C.user_id == user_id))


def _named(visit: Visit) -> bool:
    return visit.connection.isascii() and len(visit.connection) <= NAME_MAX and len(visit.node) <= NODE_MAX


def _row(visit: Visit, user_id: int) -> dict[str, Any]:
    closed = visit.closed_at
    return {
        "connection": visit.connection,
        "user_id": user_id,
        "node": visit.node,
        "opened_at": to_datetime(visit.opened_at),
        "closed_at": None if closed is None else to_datetime(closed),
        "code": visit.code,
        "reason": _fitting(visit.reason, 123),
        "duration": None if closed is None else max(0, closed - visit.opened_at),
        "sign_in": _fitting(visit.sign_in, 16),
        "dialect": _fitting(visit.dialect, 16),
        "address": _fitting(visit.address, 45),
    }


def _fitting(text: str | None, size: int) -> str | None:
    """What a column takes: a reason may be a client's, and one that no database stores would hold up all others."""
    return None if text is None else text.replace("\x00", "")[:size]


def _insert(session: Session, overwrite: Sequence[str]) -> Insert:
    """Insert by the name of the connection; of a row that is there, write these columns over."""
    match session.get_bind().dialect.name:
        case "postgresql":
            one = postgresql.insert(t.connection_logs)
            key = [_C.connection]
            if not overwrite:
                return one.on_conflict_do_nothing(index_elements=key)
            return one.on_conflict_do_update(
                index_elements=key, set_={name: one.excluded[name] for name in overwrite}
            )
        case "sqlite":
            other = sqlite.insert(t.connection_logs)
            key = [_C.connection]
            if not overwrite:
                return other.on_conflict_do_nothing(index_elements=key)
            return other.on_conflict_do_update(
                index_elements=key, set_={name: other.excluded[name] for name in overwrite}
            )
        case _:
            mariadb = mysql.insert(t.connection_logs)
            # Setting a column to itself is its way to do nothing.
            names = overwrite or ("connection",)
            return mariadb.on_duplicate_key_update({name: mariadb.inserted[name] for name in names})
