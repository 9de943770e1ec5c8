"""Notifications that wait for their time: a row without deliveries, whose audience is asked for when it is sent.

Whom it is for stands in the column `audience` until then, names included.

`due_at` is when somebody looks at it next. Whoever claims it moves that on: two never claim the same, and a claim that
led to nothing is made again. To be sent it is taken out and stored anew in one transaction, as any other is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import and_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store import apps, audiences, entries
from shared.store.bulk import bulk_for
from shared.store.rows import Member, chunks

_N = t.notifications.c

_BOUND: Final = {"send_at": "at", "local_at": "local", "due_at": "due", "audience": "rest"}
CLOCKS_MS: Final = 5000
"""How far the clocks of two hosts may differ: what one has found due, the other sends."""
LEASE_MS: Final = 60_000
"""How long a claim holds."""
# One statement, and no ids that travel to the client and back. By the index alone: a sort of equal instants by id would
# read all that is due, for each thousand of it (98 of 114 ms with 100,000 due).
_CLAIM: Final = text("""
    WITH due AS (
        SELECT id FROM notifications WHERE due_at <= :now AND status = :scheduled
        ORDER BY due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE notifications n SET due_at = :later FROM due WHERE n.id = due.id
    RETURNING CAST(n.id AS text), n.priority, n.recipients, n.local_at IS NOT NULL AND n.everyone
        OR n.audience LIKE '%"topics":%' OR n.audience LIKE '%"segments":%'
""")
# Text that a user's name happens to hold makes one too many `open`, which does no harm.
_OPEN: Final = or_(
    and_(_N.local_at.is_not(None), _N.everyone),
    *(func.coalesce(_N.audience, "").contains(f'"{key}":') for key in ("topics", "segments")),
)
_ROW: Final = (
    _N.id,
    _N.app_id,
    _N.accepted_at,
    _N.expires_at,
    _N.request_id,
    _N.sender,
    _N.priority,
    _N.everyone,
    _N.event,
    _N.data,
    _N.ttl,
    _N.collapse_key,
    _N.cancel_key,
    _N.thread_key,
    _N.tags,
    _N.audience,
    _N.send_at,
    _N.local_at,
)


class Due(NamedTuple):
    """One that is due. `recipients` are the named ones; who is behind an `open` audience, nobody knows before."""

    id: str
    priority: str
    recipients: int
    open: bool


def keep(session: Session, members: Sequence[Member], *, now_ms: int) -> None:
    """Complete the rows of scheduled ones, just inserted: their time, and whom they are for."""
    if not members:
        return
    rows = []
    for member in members:
        at = to_datetime(member.send_at or now_ms)
        rest = audiences.whole(member)
        rows.append({"of": member.id, "at": at, "local": member.local_at, "due": at, "rest": rest})
    one = update(t.notifications).where(_N.id == bindparam("of"))
    values: dict[str, Any] = {name: bindparam(key) for name, key in _BOUND.items()}
    session.connection().execute(one.values(values), rows)


def restore(session: Session, members: Sequence[Member]) -> None:
    """Write into rows that were stored anew when they were to be sent."""
    rows = [
        {"of": member.id, "at": to_datetime(member.send_at), "local": member.local_at}
        for member in members
        if member.send_at is not None
    ]
    if rows:
        one = update(t.notifications).where(_N.id == bindparam("of"))
        times = one.values(send_at=bindparam("at"), local_at=bindparam("local"))
        session.connection().execute(times, rows)


def any_due(session: Session, now_ms: int) -> bool:
    """Whether a claim would find something; takes no lock."""
    return session.execute(select(_N.id).where(_is_due(now_ms)).limit(1)).first() is not None


def claim(session: Session, now_ms: int, *, limit: int) -> list[Due]:
    """Claim what is due, the longest due first, at most `limit`; nobody else gets these for a minute.

    Give it a transaction of its own: on PostgreSQL this one does not wait for the disk. A claim that is lost with the
    server is made again.
    """
    bulk_for(session).do_not_wait_for_disk(session)
    now, later = to_datetime(now_ms), to_datetime(now_ms + LEASE_MS)
    if session.get_bind().dialect.name == "postgresql":
        values = {"now": now, "later": later, "limit": limit, "scheduled": Status.SCHEDULED}
        return [Due(*row) for row in session.execute(_CLAIM, values)]
    wanted = select(_N.id, _N.priority, _N.recipients, _OPEN).where(_is_due(now_ms)).order_by(_N.due_at)
    rows = session.execute(wanted.limit(limit).with_for_update(skip_locked=True, key_share=True))
    found = [Due(*row) for row in rows]
    for part in chunks([one.id for one in found]):
        session.execute(update(t.notifications).where(_N.id.in_(part)).values(due_at=later))
    return found


def take(session: Session, ids: Sequence[str], *, now_ms: int) -> list[Member]:
    """Take those of `ids` that are still scheduled and due out of the table, to be stored anew in this transaction."""
    found: list[Any] = []
    for part in chunks(sorted(set(ids))):
        found += session.execute(
            select(*_ROW)
            .where(_N.id.in_(part), _N.status == Status.SCHEDULED)
            .where(_N.send_at <= to_datetime(now_ms + CLOCKS_MS))
            .order_by(_N.id)
            .with_for_update()
        ).all()
    found.sort(key=lambda row: (row.send_at, row.id))
    for part in chunks([row.id for row in found]):
        session.execute(delete(t.notifications).where(_N.id.in_(part)))
    known = apps.by_id(session, {row.app_id for row in found}) if found else {}
    return [
        replace(
            entries.entry_of(row, known[row.app_id].name), send_at=to_ms(row.send_at), local_at=row.local_at
        )
        for row in found
    ]


def forget(session: Session, app_id: int, name: str) -> None:
    """Take a name out of all that is scheduled, or was and failed. Locks the notifications, before any user."""
    quoted = orjson.dumps(name).decode()
    # Any character of a name may mean something in a LIKE pattern; what it finds too much is sorted out below.
    like = (_N.app_id == app_id) & _N.audience.contains(quoted, autoescape=True)
    kept = or_(_N.due_at.is_not(None), _N.failed_at.is_not(None) & (_N.status == Status.FAILED))
    # Found first and locked by their keys: a search that locks would, on MariaDB, wait for whatever it passes.
    for part in chunks(sorted(session.scalars(select(_N.id).where(like, kept)))):
        wanted = select(_N.id, _N.audience).where(_N.id.in_(part), like).order_by(_N.id)
        for id, audience in session.execute(wanted.with_for_update()).all():
            left = audiences.without(audience, name)
            session.execute(update(t.notifications).where(_N.id == id).values(audience=left))


def put_off(session: Session, id: str, *, attempts: int, until_ms: int) -> None:
    """Note how often sending one has failed, and when it is due again."""
    values = {"attempts": attempts, "due_at": to_datetime(until_ms)}
    session.execute(update(t.notifications).where(_scheduled(id)).values(values))


def fail(session: Session, id: str, *, error: str, attempts: int, now_ms: int) -> bool:
    """Give one up: a dead letter, which can be retried; False if it is not scheduled any more."""
    values = {"status": Status.FAILED, "failed_at": to_datetime(now_ms), "error": error, "due_at": None}
    statement = update(t.notifications).where(_scheduled(id)).values({**values, "attempts": attempts})
    return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def attempts_of(session: Session, id: str) -> int | None:
    """How often sending one failed; None if it is not scheduled any more. Locks it."""
    return session.scalar(select(_N.attempts).where(_scheduled(id)).with_for_update())


def _scheduled(id: str) -> Any:
    return (_N.id == id) & (_N.status == Status.SCHEDULED)


def _is_due(now_ms: int) -> Any:
    return (_N.due_at <= to_datetime(now_ms)) & (_N.status == Status.SCHEDULED)
