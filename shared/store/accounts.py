"""accounts: passwords of users, and who may not come in.

Only hashes come here. Who is disabled is a matter of the user and not of the account: a user whose tokens come from
another issuer has none.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t
from shared.store import names
from shared.store.bulk import bulk_for

_A, _U = t.accounts.c, t.users.c


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account; `user` is the name that the user goes by."""

    user_id: int
    app_id: int
    user: str
    hash: str
    disabled: bool


_ACCOUNTS = (
    select(_A.user_id, _A.app_id, _U.name, _A.hash, _U.disabled_at)
    .join(t.users, _U.id == _A.user_id)
    .join(t.apps, t.apps.c.id == _A.app_id)
)


def find(session: Session, app: str, username: str) -> AccountRow | None:
    """The account of that name in an app, which may be unknown."""
    row = session.execute(_ACCOUNTS.where(t.apps.c.name == app, _A.username == username)).first()
    return AccountRow(row[0], row[1], row[2], row[3], row[4] is not None) if row else None


def add(
    session: Session, app_id: int, username: str, hash: str, *, now_ms: int, known: bool
) -> AccountRow | None:
    """Give a user of that name a password; None if there is one. Raises RunAgain.

    Unless `known` a name that somebody receives under already is taken as well: who registers it would read that inbox.
    """
    taken = select(_U.id).where(_U.app_id == app_id, _U.name == username)
    if not known and session.execute(taken).first():
        return None
    bulk = bulk_for(session)
    user_id = names.resolve(session, bulk, app_id, [username], now_ms=now_ms)[username]
    # Under the lock of the user nobody erases it, or registers the name, at the same time.
    names.lock(session, bulk, [user_id])
    if session.execute(select(_A.user_id).where(_A.user_id == user_id)).first():
        return None
    now = to_datetime(now_ms)
    row = {"user_id": user_id, "app_id": app_id, "username": username, "hash": hash}
    session.execute(insert(t.accounts).values(**row, created_at=now, changed_at=now))
    disabled = session.execute(select(_U.disabled_at).where(_U.id == user_id)).scalar_one() is not None
    return AccountRow(user_id, app_id, username, hash, disabled)


def confirm(session: Session, row: AccountRow) -> bool:
    """Lock the user, and say whether the account is as it was read and not disabled. Raises RunAgain."""
    names.lock(session, bulk_for(session), [row.user_id])
    now = session.execute(_ACCOUNTS.where(_A.user_id == row.user_id)).first()
    return now is not None and (now[3], now[4]) == (row.hash, None)


def admit(session: Session, app_id: int, user: str, *, now_ms: int) -> int | None:
    """Lock a user, known or not, with or without an account: the id, None of who is disabled. Raises RunAgain."""
    bulk = bulk_for(session)
    user_id = names.resolve(session, bulk, app_id, [user], now_ms=now_ms)[user]
    names.lock(session, bulk, [user_id])
    disabled_at = session.scalar(select(_U.disabled_at).where(_U.id == user_id))
    return user_id if disabled_at is None else None


def change(session: Session, user_id: int, *, old: str, new: str, now_ms: int) -> bool:
    """Put a new hash in the place of the old one; False if that is not there any more."""
    mine = (_A.user_id == user_id) & (_A.hash == old)
    values = {"hash": new, "changed_at": to_datetime(now_ms)}
    return _changed(session.execute(update(t.accounts).where(mine).values(values))) > 0


def disable(session: Session, app_id: int, user: str, *, now_ms: int) -> int:
    """Let a user in no more, known or not; the id. Again it keeps the first time. Raises RunAgain."""
    bulk = bulk_for(session)
    user_id = names.resolve(session, bulk, app_id, [user], now_ms=now_ms)[user]
    names.lock(session, bulk, [user_id])
    mine = (_U.id == user_id) & _U.disabled_at.is_(None)
    session.execute(update(t.users).where(mine).values(disabled_at=to_datetime(now_ms)))
    return user_id


def enable(session: Session, app_id: int, user: str) -> bool:
    """Let a user in again; False if there is none of that name."""
    found = session.execute(select(_U.id).where(_U.app_id == app_id, _U.name == user)).first()
    if found is None:
        return False
    session.execute(update(t.users).where(_U.id == found[0]).values(disabled_at=None))
    return True


def disabled(session: Session, app_id: int) -> list[str]:
    """The names of all disabled users of an app."""
    off = select(_U.name).where(_U.app_id == app_id, _U.disabled_at.is_not(None), _U.name.is_not(None))
    return [name for name in session.scalars(off.order_by(_U.name)) if name is not None]


def forget(session: Session, user_id: int) -> None:
    """Take the account and the sessions of a user who is erased along."""
    theirs = select(t.sessions.c.id).where(t.sessions.c.user_id == user_id)
    ids = sorted(session.scalars(theirs))
    if ids:
        session.execute(delete(t.refresh_tokens).where(t.refresh_tokens.c.session_id.in_(ids)))
        session.execute(delete(t.sessions).where(t.sessions.c.id.in_(ids)))
    session.execute(delete(t.accounts).where(_A.user_id == user_id))


def _changed(result: Any) -> int:
    return int(result.rowcount)
