"""allowances: what of an app's frequency caps its users have taken.

Read and written under the locks of the users' streams, so that two groups never both take the last place. A row that is
past says what no row says, which is why the purge may delete it at any time.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import Insert, bindparam, delete, select, text
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.store.bulk_postgres import numbers, words
from shared.store.rows import chunks

_A = t.allowances.c
PURGED = 500
"""Rows of one step of the purge."""

# Arrays are selected, as in shared.store.bulk_postgres, where the reason stands.
_READ = text("""
    SELECT a.user_id, a.cap, a.tat
    FROM unnest((SELECT CAST(:user_ids AS bigint[]))) AS u(user_id)
    CROSS JOIN unnest((SELECT CAST(:caps AS text[]))) AS c(cap)
    JOIN allowances a ON a.user_id = u.user_id AND a.cap = c.cap
""")
_WRITE = text("""
    INSERT INTO allowances (user_id, cap, tat)
    SELECT t.user_id, t.cap, t.tat
    FROM unnest(CAST(:user_ids AS bigint[]), CAST(:caps AS text[]), CAST(:tats AS bigint[])) AS t(user_id, cap, tat)
    ON CONFLICT (user_id, cap) DO UPDATE SET tat = EXCLUDED.tat
""")


def read(session: Session, user_ids: Collection[int], keys: Collection[str]) -> dict[tuple[int, str], int]:
    """The tats by user and cap's key, of those that have one."""
    if not user_ids or not keys:
        return {}
    if _postgres(session):
        values = {"user_ids": numbers(user_ids), "caps": words(keys)}
        return {(user_id, cap): tat for user_id, cap, tat in session.execute(_READ, values)}
    found: dict[tuple[int, str], int] = {}
    for part in chunks(sorted(user_ids)):
        rows = session.execute(
            select(_A.user_id, _A.cap, _A.tat).where(_A.user_id.in_(part), _A.cap.in_(keys))
        )
        found |= {(user_id, cap): tat for user_id, cap, tat in rows}
    return found


def write(session: Session, changes: Mapping[tuple[int, str], int]) -> None:
    """Remember new tats by user and cap's key."""
    if not changes:
        return
    rows = sorted((user_id, cap, tat) for (user_id, cap), tat in changes.items())
    if _postgres(session):
        user_ids, keys, tats = zip(*rows, strict=True)
        session.execute(_WRITE, {"user_ids": numbers(user_ids), "caps": words(keys), "tats": numbers(tats)})
        return
    statement = _upsert(session)
    session.execute(statement, [{"user_id": user_id, "cap": cap, "tat": tat} for user_id, cap, tat in rows])


def purge(session: Session, before_ms: int) -> int:
    """Delete at most 500 rows that were past at `before_ms`; how many. What of a deleted cap is left goes with them."""
    past = select(_A.user_id, _A.cap).where(_A.tat < before_ms * 1000).order_by(_A.tat).limit(PURGED)
    # A worker that writes one of them at this moment is left alone.
    rows = session.execute(past.with_for_update(skip_locked=True)).all()
    if rows:
        # One by one by the key: for a list of pairs MariaDB may read, and wait for, rows that are somebody else's.
        one = delete(t.allowances).where(_A.user_id == bindparam("of_user"), _A.cap == bindparam("of_cap"))
        pairs = [{"of_user": user_id, "of_cap": cap} for user_id, cap in sorted(map(tuple, rows))]
        session.connection().execute(one, pairs)
    return len(rows)


def anything_past(session: Session, now_ms: int) -> bool:
    """Whether a step of the purge would find something; takes no lock."""
    return session.execute(select(_A.tat).where(_A.tat < now_ms * 1000).limit(1)).first() is not None


def _postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _upsert(session: Session) -> Insert:
    if session.get_bind().dialect.name == "sqlite":
        one = sqlite.insert(t.allowances)
        return one.on_conflict_do_update(index_elements=[_A.user_id, _A.cap], set_={"tat": one.excluded.tat})
    other = mysql.insert(t.allowances)
    return other.on_duplicate_key_update(tat=other.inserted.tat)
