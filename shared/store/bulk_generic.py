"""Statements on many rows in portable SQL: many rows a statement, IN lists in chunks. For SQLite and MariaDB.

MariaDB has neither RETURNING nor ON CONFLICT for all of this: who inserted what is found out by reading first, and a
race ends in a duplicate key, after which the whole transaction runs again and sees the winner's rows.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Insert, Table, and_, bindparam, case, insert, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store.rows import AckedRange, NewDelivery, NewNotification, RaisedAck, StreamRow, chunks

_INSTANTS = ("accepted_at", "published_at", "expires_at", "expired_at")
_STREAM_COLUMNS = [t.streams.c[name] for name in StreamRow._fields]


class GenericBulk:
    """Implements shared.store.bulk.Bulk."""

    def insert_notifications(
        self, session: Session, rows: Sequence[NewNotification], *, stored_at: int
    ) -> set[str]:
        """Insert the rows whose id is new; their ids."""
        known: set[str] = set()
        for part in chunks([row.id for row in rows]):
            known |= set(session.scalars(select(t.notifications.c.id).where(t.notifications.c.id.in_(part))))
        new = sorted((row for row in rows if row.id not in known), key=lambda row: row.id)
        if new:
            session.execute(insert(t.notifications), [_with_datetimes(row, stored_at) for row in new])
        return {row.id for row in new}

    def mark_published(self, session: Session, ids: Sequence[str], *, now_ms: int) -> int:
        """Set published_at where it is missing and nothing was cancelled; how many rows."""
        n = t.notifications.c
        changed = 0
        for part in chunks(ids):
            statement = (
                update(t.notifications)
                .where(n.id.in_(part), n.published_at.is_(None), n.cancelled_at.is_(None))
                .values(
                    published_at=to_datetime(now_ms),
                    status=case((n.status == Status.SENDING, Status.SENT), else_=n.status),
                )
            )
            changed += session.execute(statement).rowcount  # type: ignore[attr-defined]
        return changed

    def do_not_wait_for_disk(self, session: Session) -> None:
        """Not here: SQLite never waits (synchronous NORMAL), MariaDB cannot for one transaction."""

    def known_users(self, session: Session, app_id: int, names: Collection[str]) -> dict[str, int]:
        """Ids of those names that exist."""
        u = t.users.c
        found: dict[str, int] = {}
        for part in chunks(list(names)):
            rows = session.execute(select(u.name, u.id).where(u.app_id == app_id, u.name.in_(part)))
            found |= dict(rows.all())
        return found

    def insert_users(
        self, session: Session, app_id: int, hashes: Sequence[tuple[str, str]], *, now_ms: int
    ) -> None:
        """Create users with their streams, where another process has not done so; erased ones come back."""
        u, now = t.users.c, to_datetime(now_ms)
        for part in chunks(hashes):
            names = dict(part)
            erased = select(u.id, u.name_hash).where(
                u.app_id == app_id, u.name_hash.in_(names), u.name.is_(None)
            )
            for id, digest in session.execute(erased).all():
                row = {"name": names[digest], "erased_at": None, "updated_at": now}
                session.execute(update(t.users).where(u.id == id).values(row))
                session.execute(update(t.streams).where(t.streams.c.user_id == id).values(erased=False))
            rows = [
                {"app_id": app_id, "name": name, "name_hash": digest, "created_at": now, "updated_at": now}
                for digest, name in part
            ]
            session.execute(_insert_missing(session, t.users, "name_hash"), rows)
            _insert_streams(session, app_id, list(names.values()))

    def lock_streams(self, session: Session, user_ids: Sequence[int]) -> list[StreamRow]:
        """Lock streams in the order of their ids and read them as the last commit left them."""
        rows: list[StreamRow] = []
        for part in chunks(user_ids):
            statement = select(*_STREAM_COLUMNS).where(t.streams.c.user_id.in_(part))
            found = session.execute(statement.order_by(t.streams.c.user_id).with_for_update())
            rows += [StreamRow(*row) for row in found]
        return rows

    def add_deliveries(
        self, session: Session, rows: Sequence[NewDelivery], counts: Mapping[int, int], *, push_due_at: int
    ) -> None:
        """Insert deliveries, and count so many new ones into each of these locked streams."""
        due = to_datetime(push_due_at)
        values = [{**row._asdict(), "push_due_at": None if row.seq is None else due} for row in rows]
        session.execute(insert(t.deliveries), values)
        _advance(session, counts)

    def release(
        self,
        session: Session,
        rows: Sequence[NewDelivery],
        counts: Mapping[int, int],
        *,
        now_ms: int,
        push_due_at: int,
    ) -> None:
        """Give deliveries that are held their numbers, and count as many into each of these locked streams."""
        d = t.deliveries.c
        mine = (d.notification_id == bindparam("of")) & (d.user_id == bindparam("of_user"))
        values = {"seq": bindparam("to_seq"), "rev": bindparam("to_rev"), "state": State.PENDING}
        times = {"released_at": to_datetime(now_ms), "push_due_at": to_datetime(push_due_at)}
        found = [
            {"of": row.notification_id, "of_user": row.user_id, "to_seq": row.seq, "to_rev": row.rev}
            for row in rows
        ]
        if found:
            one = update(t.deliveries).where(mine, d.state == State.HELD).values({**values, **times})
            session.connection().execute(one, found)
        _advance(session, counts)

    def mark_released(self, session: Session, pairs: Sequence[tuple[str, int]]) -> None:
        """Clear held_until of these (notification, user), unless they are held again."""
        d = t.deliveries.c
        mine = (d.notification_id == bindparam("of")) & (d.user_id == bindparam("of_user"))
        one = update(t.deliveries).where(mine, d.state != State.HELD).values(held_until=None)
        session.connection().execute(one, [{"of": id, "of_user": user_id} for id, user_id in pairs])

    def lock_page(self, session: Session, notification_id: str, number: int) -> tuple[str, bool] | None:
        """Lock a page that is neither published nor given up: its names as JSON text, and whether it is stored."""
        p = t.pages.c
        wanted = select(p.names, p.stored_at, p.published_at, p.failed_at)
        wanted = wanted.where(p.notification_id == notification_id, p.number == number)
        row = session.execute(wanted.with_for_update()).first()
        if row is None or row.published_at is not None or row.failed_at is not None:
            return None
        return row.names, row.stored_at is not None

    def store_page(
        self,
        session: Session,  # noqa: ARG002 -- as in shared.store.bulk.Bulk
        notification_id: str,  # noqa: ARG002
        number: int,  # noqa: ARG002
        app_id: int,  # noqa: ARG002
        *,
        now_ms: int,  # noqa: ARG002
        push_due_at: int,  # noqa: ARG002
    ) -> bool:
        """Not here."""
        return False

    def page_items(
        self,
        session: Session,
        notification_id: str,
        app_id: int,
        names: Sequence[str],
    ) -> None:
        """Not here."""

    def raise_acks(self, session: Session, acks: Sequence[RaisedAck]) -> None:
        """Set what locked streams have acknowledged, and count the change."""
        s = t.streams.c
        new = {"acked": bindparam("to_acked"), "all_acked": bindparam("to_all_acked"), "rev": s.rev + 1}
        one = update(t.streams).where(s.user_id == bindparam("of_user")).values(new)
        rows = [
            {"of_user": ack.user_id, "to_acked": ack.acked, "to_all_acked": ack.all_acked} for ack in acks
        ]
        session.connection().execute(one, rows)

    def deliver(self, session: Session, ranges: Sequence[AckedRange], *, now_ms: int, alive_ms: int) -> None:
        """Move what is pending in these ranges, and expires after `alive_ms`, to delivered."""
        d, n = t.deliveries.c, t.notifications.c
        expires_at = select(n.expires_at).where(n.id == d.notification_id).scalar_subquery()
        inside = and_(
            d.user_id == bindparam("of_user"), d.seq > bindparam("after"), d.seq <= bindparam("upto")
        )
        one = (
            update(t.deliveries)
            .where(inside, d.state == State.PENDING, expires_at > to_datetime(alive_ms))
            .values(state=State.DELIVERED, delivered_at=to_datetime(now_ms), rev=bindparam("to_rev"))
        )
        rows = [{"of_user": r.user_id, "after": r.after, "upto": r.upto, "to_rev": r.rev} for r in ranges]
        session.connection().execute(one, rows)


def _with_datetimes(row: NewNotification, stored_at: int) -> dict[str, object]:
    values: dict[str, object] = {**row._asdict(), "stored_at": to_datetime(stored_at)}
    for name in _INSTANTS:
        ms = values[name]
        values[name] = to_datetime(ms) if isinstance(ms, int) else None
    return values


def _insert_missing(session: Session, table: Table, key: str) -> Insert:
    """An INSERT that leaves existing rows alone. MariaDB: a change of nothing, which ignores no other error."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).on_duplicate_key_update({key: table.c[key]})


def _insert_streams(session: Session, app_id: int, names: Sequence[str]) -> None:
    u, s = t.users.c, t.streams.c
    without = (
        select(u.id)
        .outerjoin(t.streams, s.user_id == u.id)
        .where(u.app_id == app_id, u.name.in_(names), s.user_id.is_(None))
    )
    rows = [{"user_id": id} for id in session.scalars(without)]
    if rows:
        session.execute(_insert_missing(session, t.streams, "user_id"), rows)


def _advance(session: Session, counts: Mapping[int, int]) -> None:
    """Count so many new deliveries into each of these locked streams."""
    s = t.streams.c
    by_count: dict[int, list[int]] = defaultdict(list)
    for user_id, new in sorted(counts.items()):
        by_count[new].append(user_id)
    # Users with the same number of new ones share a statement: an UPDATE per user would be a round trip each.
    for new, user_ids in sorted(by_count.items()):
        grown = {name: s[name] + new for name in ("last_seq", "total", "unseen", "unread")}
        for part in chunks(user_ids):
            more = update(t.streams).where(s.user_id.in_(part))
            session.execute(more.values({**grown, "rev": s.rev + 1}))
