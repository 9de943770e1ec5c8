"""Everyone, as far as they are known: how many users of an app a notification to everyone would find just now.

Only for a preview. A notification to everyone is one row and asks none of this: also who comes later gets it.
"""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.store.rows import chunks

_U = t.users.c


def count(session: Session, app_id: int, out: Collection[str]) -> int:
    """How many users are known and not named in `out`; whom nobody knows counts on neither side."""
    total = session.scalar(select(func.count()).where(_U.app_id == app_id, _U.name.is_not(None))) or 0
    for part in chunks(sorted(set(out))):
        total -= session.scalar(select(func.count()).where(_U.app_id == app_id, _U.name.in_(part))) or 0
    return total


def sample(session: Session, app_id: int, out: Collection[str], *, limit: int) -> list[str]:
    """Names of the first `limit` of them, the longest known first."""
    left_out = frozenset(out)
    # As many more as can be left out: an IN list of a thousand is slower than that many names.
    statement = (
        select(_U.name)
        .where(_U.app_id == app_id, _U.name.is_not(None))
        .order_by(_U.id)
        .limit(limit + len(left_out))
    )
    return [name for name in session.scalars(statement) if name not in left_out][:limit]
