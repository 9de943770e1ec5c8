"""revocations: what was decided about who may come in, kept until Redis was told; and what it is told if it lost all.

A decision about a user has a number, which grows with each, so that of two that reach Redis in any order the later one
holds. It is made under the lock of the user's stream.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t
from shared.store.names import name_hash
from shared.store.rows import chunks

_V, _U, _S = t.revocations.c, t.users.c, t.sessions.c


@dataclass(frozen=True, slots=True)
class Revocation:
    """A decision, as in shared.models.revocation; `id` 0 is one that is not stored."""

    app: str
    user: str
    session: str | None = None
    decided: int = 0
    before: int | None = None
    disabled: bool = False
    erased: bool = False
    id: int = 0


def decide(session: Session, user_id: int, *, now_ms: int) -> int:
    """The number of a new decision about a user, whose stream the caller has locked; also of one that was erased.

    It is an instant as well: above every earlier one, and above `now_ms`, in which a token may have been issued.
    """
    last = session.scalar(select(_U.decided).where(_U.id == user_id)) or 0
    decided = max(now_ms, last) + 1
    session.execute(update(t.users).where(_U.id == user_id).values(decided=decided))
    return decided


def add(session: Session, app_id: int, found: Sequence[Revocation], *, now_ms: int) -> list[Revocation]:
    """Keep decisions until Redis was told; the same with their ids."""
    rows = []
    for one in found:
        values = {
            "app_id": app_id,
            "name": one.user,
            "session_id": one.session,
            "decided": one.decided,
            "before": one.before,
            "disabled": one.disabled,
            "erased": one.erased,
            "created_at": to_datetime(now_ms),
        }
        result: Any = session.execute(insert(t.revocations).values(**values))
        rows.append(replace(one, id=int(result.inserted_primary_key[0])))
    return rows


def add_ended(
    session: Session, app_id: int, app: str, user: str, sessions: Iterable[str], *, now_ms: int
) -> list[Revocation]:
    """The same for sessions of a user that have ended."""
    return add(session, app_id, [Revocation(app, user, id) for id in sessions], now_ms=now_ms)


def waiting(session: Session, *, before_ms: int, limit: int) -> list[Revocation]:
    """Those kept longer ago than `before_ms`, the oldest first."""
    columns = (
        t.apps.c.name, _V.name, _V.session_id, _V.decided, _V.before, _V.disabled, _V.erased, _V.id,
    )  # fmt: skip
    rows = session.execute(
        select(*columns)
        .join(t.apps, t.apps.c.id == _V.app_id)
        .where(_V.created_at < to_datetime(before_ms))
        .order_by(_V.id)
        .limit(limit)
    )
    return [Revocation(*row) for row in rows]


def forget(session: Session, ids: Collection[int]) -> None:
    """Redis was told these."""
    # One by one by the key: for a list MariaDB may read, and wait for, rows that are somebody else's.
    session.connection().execute(
        delete(t.revocations).where(_V.id == bindparam("of")), [{"of": id} for id in sorted(ids)]
    )


def standing(session: Session, app_id: int, app: str, *, since_ms: int) -> list[Revocation]:
    """What stands against users of an app: who is disabled, and whose tokens issued after `since_ms` are dead."""
    against = or_(_U.disabled_at.is_not(None), _U.revoked_before > since_ms)
    columns = (_U.name, _U.decided, _U.revoked_before, _U.disabled_at)
    rows = session.execute(
        select(*columns).where(_U.app_id == app_id, against, _U.name.is_not(None)).order_by(_U.name)
    )
    return [
        Revocation(app, name, None, decided or 0, before, disabled is not None)
        for name, decided, before, disabled in rows
    ]


def of_names(
    session: Session, app_id: int, app: str, names: Sequence[str], *, unknown: int
) -> list[Revocation]:
    """What was decided last about users of these names, also erased ones; about who never was, the number `unknown`."""
    hashes = {name_hash(app_id, name): name for name in names}
    found = dict.fromkeys(names, Revocation(app, "", decided=unknown))
    columns = (_U.name_hash, _U.decided, _U.revoked_before, _U.disabled_at)
    for part in chunks(sorted(hashes)):
        for hash, decided, before, disabled in session.execute(
            select(*columns).where(_U.app_id == app_id, _U.name_hash.in_(part))
        ):
            found[hashes[hash]] = Revocation(app, "", None, decided or 0, before, disabled is not None)
    return [replace(one, user=name) for name, one in found.items()]


def ended(session: Session, app_id: int, app: str, *, since_ms: int) -> list[Revocation]:
    """The sessions of an app that were ended since then."""
    rows = session.execute(
        select(_U.name, _S.id)
        .join(t.users, _U.id == _S.user_id)
        .where(_S.revoked_at > to_datetime(since_ms), _S.app_id == app_id, _U.name.is_not(None))
        .order_by(_U.name, _S.id)
    )
    return [Revocation(app, name, id) for name, id in rows]
