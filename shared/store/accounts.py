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
from shared.store import names, revocations
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


def decided(session: Session, user_id: int) -> int:
    """The number of the last decision on whether a user may come in, 0 if there was none: no token is older."""
    return session.scalar(select(_U.decided).where(_U.id == user_id)) or 0


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


def disable(session: Session, app_id: int, user: str, *, now_ms: int) -> tuple[int, int]:
    """Let a user in no more, known or not; the id and the number of the decision.

    Again it keeps the first time, and ends what was issued since. Raises RunAgain.
    """
    bulk = bulk_for(session)
    user_id = names.resolve(session, bulk, app_id, [user], now_ms=now_ms)[user]
    names.lock(session, bulk, [user_id])
    number = revocations.decide(session, user_id, now_ms=now_ms)
    mine = (_U.id == user_id) & _U.disabled_at.is_(None)
    session.execute(update(t.users).where(mine).values(disabled_at=to_datetime(now_ms)))
    session.execute(update(t.users).where(_U.id == user_id).values(revoked_before=number))
    return user_id, number


def enable(session: Session, app_id: int, user: str, *, now_ms: int) -> int | None:
    """Let a user in again; the number of the decision, None if there is nobody of that name. Raises RunAgain."""
    found = session.execute(select(_U.id).where(_U.app_id == app_id, _U.name == user)).first()
    if found is None:
        return None
    names.lock(session, bulk_for(session), [found[0]])
    number = revocations.decide(session, found[0], now_ms=now_ms)
    session.execute(update(t.users).where(_U.id == found[0]).values(disabled_at=None))
    return number


def forget(session: Session, user_id: int) -> list[str]:
    """Take the account and the sessions of a user who is erased along; ids of the sessions that went on."""
    theirs = select(t.sessions.c.id, t.sessions.c.revoked_at).where(t.sessions.c.user_id == user_id)
    rows = session.execute(theirs.order_by(t.sessions.c.id).with_for_update()).all()
    ids = [row.id for row in rows]
    if ids:
        session.execute(delete(t.refresh_tokens).where(t.refresh_tokens.c.session_id.in_(ids)))
        session.execute(delete(t.sessions).where(t.sessions.c.id.in_(ids)))
    session.execute(delete(t.accounts).where(_A.user_id == user_id))
    return [row.id for row in rows if row.revoked_at is None]


def _changed(result: Any) -> int:
    return int(result.rowcount)
