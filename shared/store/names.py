"""From the names that senders use to the numbers that rows use, and to locked streams.

A name that was never seen is a user from now on. Order matters: names are looked up and created first, streams are
locked after that and sorted, so that no transaction waits for another one that waits for it.
"""

import hashlib
from collections.abc import Collection, Iterable

from sqlalchemy.orm import Session

from shared.db import RunAgain
from shared.store.bulk import Bulk
from shared.store.rows import StreamRow


def name_hash(app_id: int, name: str) -> str:
    """What finds a user's row again after the name was erased."""
    return hashlib.sha256(f"{app_id}:{name}".encode()).hexdigest()


def resolve(
    session: Session, bulk: Bulk, app_id: int, names: Collection[str], *, now_ms: int
) -> dict[str, int]:
    """User ids of all `names`; creates those that are unknown and revives those that were erased."""
    if not names:
        return {}
    known = bulk.known_users(session, app_id, names)
    missing = [name for name in names if name not in known]
    if missing:
        hashes = sorted((name_hash(app_id, name), name) for name in set(missing))
        bulk.insert_users(session, app_id, hashes, now_ms=now_ms)
        known |= bulk.known_users(session, app_id, missing)
    if any(name not in known for name in missing):
        raise RunAgain("user_race")
    return known


def lock(session: Session, bulk: Bulk, user_ids: Iterable[int]) -> dict[int, StreamRow]:
    """Lock the streams of these users and read them.

    Raises RunAgain if one of them was erased after its name was looked up: the name must be looked up again.
    """
    ids = sorted(set(user_ids))
    if not ids:
        return {}
    rows = {row.user_id: row for row in bulk.lock_streams(session, ids)}
    if len(rows) != len(ids) or any(row.erased for row in rows.values()):
        raise RunAgain("user_erased_meanwhile")
    return rows
