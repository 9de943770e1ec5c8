"""users.last_seen_at: when who is offline was last online. Who is online now, Redis knows."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t
from shared.store import apps
from shared.store.bulk import bulk_for
from shared.store.rows import chunks

_U = t.users.c


def note_seen(session: Session, seen: Iterable[tuple[tuple[str, str], int]]) -> None:
    """Raise it for these ((app, user), epoch milliseconds); apps and users that are unknown or erased are left out."""
    bulk, wanted = bulk_for(session), defaultdict[str, dict[str, int]](dict)
    for (name, user), at in seen:
        wanted[name][user] = max(at, wanted[name].get(user, 0))
    of_id: dict[int, int] = {}
    for app in apps.list_all(session):
        names = wanted.get(app.name, {})
        known = bulk.known_users(session, app.id, list(names)) if names else {}
        of_id |= {id: names[name] for name, id in known.items()}
    if of_id:
        # In the order of their ids, as everybody locks them.
        rows = [{"of_id": id, "at": to_datetime(at)} for id, at in sorted(of_id.items())]
        earlier = or_(_U.last_seen_at.is_(None), _U.last_seen_at < bindparam("at"))
        raised = update(t.users).where(_U.id == bindparam("of_id"), _U.erased_at.is_(None), earlier)
        session.connection().execute(raised.values(last_seen_at=bindparam("at")), rows)


def last_seen(session: Session, app: str, names: Collection[str]) -> dict[str, datetime]:
    """When those of `names` who are known were last online, as far as the database knows."""
    row = apps.get(session, app)
    if row is None:
        return {}
    found: list[tuple[str, datetime]] = []
    for part in chunks(sorted(set(names))):
        theirs = select(_U.name, _U.last_seen_at).where(
            _U.app_id == row.id, _U.name.in_(part), _U.last_seen_at.is_not(None)
        )
        found += map(tuple, session.execute(theirs))
    return dict(found)
