"""sessions and refresh_tokens: begin one, go on with the next token, list, end, and purge.

Going on is one UPDATE that asks for a token nobody used: of any number who present the same one, the row count says who
won. The others wait for the winner's commit, and then see what took its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.refreshing import Meaning, Presented, judge
from shared.models import tables as t

_S, _R, _U = t.sessions.c, t.refresh_tokens.c, t.users.c

SESSIONS_MAX = 100
"""Of one user at once; one more ends that which was used the longest time ago."""
PURGED = 500
"""Sessions and tokens of one step of the purge."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in; instants are epoch milliseconds, `token` is the digest of its first refresh token."""

    id: str
    app_id: int
    user_id: int
    agent: str
    client: str
    token: str
    at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that goes on."""

    id: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Family:
    """Whose session a refresh token belongs to; `expires_at` in epoch milliseconds.

    `since` is the number of the last decision about the user, the same: no token may have been issued before.
    """

    id: str
    app: str
    user: str
    expires_at: int
    since: int


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a refresh token; without a family it is unknown."""

    meaning: Meaning
    family: Family | None = None


def begin(session: Session, new: Begun, *, idle_ms: int) -> list[str]:
    """Store a session and its first token; ids of older ones that end because there are too many."""
    at = to_datetime(new.at)
    values = {"id": new.id, "app_id": new.app_id, "user_id": new.user_id, "agent": new.agent}
    times = {"created_at": at, "last_used_at": at, "expires_at": to_datetime(new.expires_at)}
    session.execute(insert(t.sessions).values(**values, client=new.client, **times))
    session.execute(insert(t.refresh_tokens).values(hash=new.token, session_id=new.id, created_at=at))
    live = [row.id for row in list_of(session, new.user_id, now_ms=new.at, idle_ms=idle_ms)]
    return end(session, new.user_id, live[SESSIONS_MAX:], now_ms=new.at)


def refresh(
    session: Session, token: str, successor: str, *, client: str, now_ms: int, idle_ms: int
) -> Refreshed:
    """Use the token of the digest `token` up, and put `successor` in its place, if that is what it means.

    STOLEN: the session was ended. REPEAT: the one who was first got the successor.
    """
    found = _presented(session, token)
    if found is None:
        return Refreshed(Meaning.OVER)
    family, presented = found
    meaning = judge(presented, client=client, now_ms=now_ms, idle_ms=idle_ms)
    if meaning is Meaning.ROTATE and not (
        _goes_on(session, family.id) and _use(session, token, successor, now_ms=now_ms)
    ):
        # Somebody was faster since it was read, or ended it; what it is now, it stays.
        return refresh(session, token, successor, client=client, now_ms=now_ms, idle_ms=idle_ms)
    if meaning is Meaning.ROTATE:
        now = to_datetime(now_ms)
        session.execute(insert(t.refresh_tokens).values(hash=successor, session_id=family.id, created_at=now))
        used = update(t.sessions).where(_S.id == family.id).values(last_used_at=now, client=client)
        session.execute(used)
    if meaning is Meaning.STOLEN:
        session.execute(_ended([family.id], now_ms))
    return Refreshed(meaning, family)


def family_of(session: Session, token: str) -> Family | None:
    """The family of the token of this digest, used or not."""
    found = _presented(session, token)
    return found[0] if found else None


def list_of(session: Session, user_id: int, *, now_ms: int, idle_ms: int) -> list[SessionRow]:
    """The sessions of a user that go on, those used last first."""
    mine = (_S.user_id == user_id) & _S.revoked_at.is_(None) & (_S.expires_at > to_datetime(now_ms))
    alive = mine & (_S.last_used_at > to_datetime(now_ms - idle_ms))
    columns = (_S.id, _S.agent, _S.created_at, _S.last_used_at, _S.expires_at)
    rows = session.execute(select(*columns).where(alive).order_by(_S.last_used_at.desc(), _S.id.desc()))
    return [SessionRow(*row) for row in rows]


def end(session: Session, user_id: int, ids: Sequence[str], *, now_ms: int) -> list[str]:
    """End these sessions, those that are this user's; their ids, also of what had ended before."""
    if not ids:
        return []
    theirs = select(_S.id).where(_S.user_id == user_id, _S.id.in_(ids)).order_by(_S.id)
    found = list(session.scalars(theirs.with_for_update()))
    session.execute(_ended(found, now_ms))
    return found


def end_all(session: Session, user_id: int, *, now_ms: int, but: str | None = None) -> list[str]:
    """End every session of a user except `but`; ids of those that went on."""
    live = select(_S.id).where(_S.user_id == user_id, _S.revoked_at.is_(None)).order_by(_S.id)
    found = [id for id in session.scalars(live.with_for_update()) if id != but]
    session.execute(_ended(found, now_ms))
    return found


def anything_over(session: Session, now_ms: int, *, idle_ms: int) -> bool:
    """Whether a step of the purge would find something; takes no lock."""
    statements = (_over(now_ms, idle_ms), _old(now_ms, idle_ms))
    return any(session.execute(statement.limit(1)).first() for statement in statements)


def purge(session: Session, now_ms: int, *, idle_ms: int) -> int:
    """Delete sessions that nobody used for that long with their tokens, and tokens used longer ago; how many.

    What came again of those would end nothing any more: it is unknown.
    """
    # Sorted: who ends sessions and who purges them lock them in the same order.
    rows = session.scalars(_over(now_ms, idle_ms).limit(PURGED).with_for_update(skip_locked=True))
    over = sorted(rows)
    tokens = sorted(session.scalars(_old(now_ms, idle_ms).limit(PURGED).with_for_update(skip_locked=True)))
    # One by one by an index: for a list MariaDB may read, and wait for, rows that are somebody else's.
    run = session.connection().execute
    if over:
        ids = [{"of": id} for id in over]
        run(delete(t.refresh_tokens).where(_R.session_id == bindparam("of")), ids)
        run(delete(t.sessions).where(_S.id == bindparam("of")), ids)
    if tokens:
        run(delete(t.refresh_tokens).where(_R.hash == bindparam("of")), [{"of": hash} for hash in tokens])
    return len(over) + len(tokens)


def _over(now_ms: int, idle_ms: int) -> Any:
    # What was ended or is past its absolute life is used no more, so it gets here too.
    over = _S.last_used_at < to_datetime(now_ms - idle_ms)
    return select(_S.id).where(over).order_by(_S.last_used_at)


def _old(now_ms: int, idle_ms: int) -> Any:
    return select(_R.hash).where(_R.used_at < to_datetime(now_ms - idle_ms)).order_by(_R.used_at)


def _presented(session: Session, token: str) -> tuple[Family, Presented] | None:
    """The token and its family as they are now."""
    after = t.refresh_tokens.alias("after")
    columns = (
        _S.id, t.apps.c.name, _U.name, _S.expires_at, _R.used_at, _R.successor, after.c.used_at, _S.client,
        _S.last_used_at, _S.revoked_at, _U.disabled_at, _U.decided,
    )  # fmt: skip
    statement = (
        select(*columns)
        .join(t.sessions, _S.id == _R.session_id)
        .join(t.users, _U.id == _S.user_id)
        .join(t.apps, t.apps.c.id == _S.app_id)
        .outerjoin(after, after.c.hash == _R.successor)
        .where(_R.hash == token, _U.name.is_not(None))
    )
    row = session.execute(statement).first()
    if row is None:
        return None
    id, app, user, expires_at, used_at, next_one, next_used_at, client, last_used_at, revoked, *of_user = row
    disabled, since = of_user
    presented = Presented(
        used_at=None if used_at is None else to_ms(used_at),
        newest=next_one is not None and next_used_at is None,
        client=client,
        last_used_at=to_ms(last_used_at),
        expires_at=to_ms(expires_at),
        revoked=revoked is not None,
        disabled=disabled is not None,
    )
    return Family(id, app, user, to_ms(expires_at), since or 0), presented


def _goes_on(session: Session, id: str) -> bool:
    """Lock a session, before its tokens as everybody does; False if it was ended or is gone."""
    row = session.execute(select(_S.revoked_at).where(_S.id == id).with_for_update()).first()
    return row is not None and row.revoked_at is None


def _use(session: Session, token: str, successor: str, *, now_ms: int) -> bool:
    unused = (_R.hash == token) & _R.used_at.is_(None)
    values = {"used_at": to_datetime(now_ms), "successor": successor}
    result: Any = session.execute(update(t.refresh_tokens).where(unused).values(values))
    return bool(result.rowcount)


def _ended(ids: Sequence[str], now_ms: int) -> Any:
    live = _S.id.in_(ids) & _S.revoked_at.is_(None)
    return update(t.sessions).where(live).values(revoked_at=to_datetime(now_ms))
