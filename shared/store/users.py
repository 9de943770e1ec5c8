"""users: make, change, read and erase one.

Erasing takes the person away and keeps the numbers: the row and its stream stay, nameless, so that a user of the same
name who comes back goes on where the last one stopped and no client sees a number twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.db import RunAgain
from shared.models import tables as t
from shared.store import accounts, connection_logs, names, revocations, scheduled, schedules
from shared.store.bulk import bulk_for
from shared.store.rows import chunks

_U, _N, _D, _T = t.users.c, t.notifications.c, t.deliveries.c, t.subscriptions.c


@dataclass(frozen=True, slots=True)
class Erased:
    """A user that was erased: the number of that decision, before which no token may have been issued, and the sessions
    that ended with it."""

    decided: int
    sessions: list[str]


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user that is not erased; `attributes` is JSON text."""

    id: int
    name: str
    attributes: str
    locale: str | None
    timezone: str | None
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None


_COLUMNS = (
    _U.id, _U.name, _U.attributes, _U.locale, _U.timezone, _U.created_at, _U.updated_at, _U.disabled_at,
)  # fmt: skip


def get(session: Session, app_id: int, name: str) -> UserRow | None:
    """The user of that name."""
    row = session.execute(select(*_COLUMNS).where(_U.app_id == app_id, _U.name == name)).first()
    return UserRow(*row) if row else None


def upsert(
    session: Session, app_id: int, name: str, values: dict[str, Any], *, now_ms: int
) -> tuple[UserRow, bool]:
    """Create the user or change `attributes` (JSON text), `locale`, `timezone`; also whether it was created.

    Raises RunAgain.
    """
    created = get(session, app_id, name) is None
    id = names.resolve(session, bulk_for(session), app_id, [name], now_ms=now_ms)[name]
    session.execute(update(t.users).where(_U.id == id).values({**values, "updated_at": to_datetime(now_ms)}))
    found = get(session, app_id, name)
    if found is None:
        raise RunAgain("user_erased_meanwhile")
    return found, created


def erase(session: Session, app_id: int, name: str, *, now_ms: int) -> Erased | None:
    """Erase the user of that name; None if there is none. Raises RunAgain.

    What was sent to nobody else loses its data; deliveries, subscriptions, allowances, connections, the account and its
    sessions go, and the name from what is scheduled or sent by a schedule; the number of the stream and its rev stay.
    """
    user = get(session, app_id, name)
    if user is None:
        return None
    scheduled.forget(session, app_id, name)
    schedules.forget(session, app_id, name)
    only_theirs = _lock_only_theirs(session, user.id)
    stream = names.lock(session, bulk_for(session), [user.id])[user.id]
    if _only_theirs(session, user.id) != only_theirs:
        raise RunAgain("sent_to_while_erased")
    for part in chunks(only_theirs):
        session.execute(update(t.notifications).where(_N.id.in_(part)).values(data="{}"))
    session.execute(delete(t.deliveries).where(_D.user_id == user.id))
    session.execute(delete(t.subscriptions).where(_T.user_id == user.id))
    session.execute(delete(t.allowances).where(t.allowances.c.user_id == user.id))
    connection_logs.erase(session, user.id)
    ended = accounts.forget(session, user.id)
    decided = revocations.decide(session, user.id, now_ms=now_ms)
    now = to_datetime(now_ms)
    person: dict[str, Any] = {"name": None, "attributes": "{}", "locale": None, "timezone": None}
    person |= {"last_seen_at": None, "disabled_at": None, "revoked_before": decided}
    session.execute(
        update(t.users).where(_U.id == user.id).values({**person, "erased_at": now, "updated_at": now})
    )
    cleared = {"acked": stream.last_seq, "total": 0, "unseen": 0, "unread": 0, "archived": 0}
    session.execute(
        update(t.streams)
        .where(t.streams.c.user_id == user.id)
        .values({**cleared, "rev": stream.rev + 1, "erased": True})
    )
    return Erased(decided, ended)


def _only_theirs(session: Session, user_id: int) -> list[str]:
    """Ids of what was sent to this user and nobody else, sorted."""
    return sorted(
        session.scalars(
            select(_N.id)
            .join(t.deliveries, _D.notification_id == _N.id)
            .where(_D.user_id == user_id, _N.recipients == 1, _N.everyone.is_(False))
        )
    )


def _lock_only_theirs(session: Session, user_id: int) -> list[str]:
    """Lock them before the user, as everybody does."""
    ids = _only_theirs(session, user_id)
    for part in chunks(ids):
        session.execute(select(_N.id).where(_N.id.in_(part)).order_by(_N.id).with_for_update(key_share=True))
    return ids
