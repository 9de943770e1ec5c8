"""The journal entry that a row was made of, so that it can be stored anew: what failed, and what is scheduled.

The names of its audience stand on its pages, of one to everyone those that it excludes; of one that is, or was,
scheduled in the column `audience`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.clock import to_ms
from shared.models import tables as t
from shared.protocol.journal import Entry
from shared.store import audiences
from shared.store.rows import chunks

_P = t.pages.c


def entry_of(row: Any, app: str, names: tuple[str, ...] = ()) -> Entry:
    """The entry of a row of notifications, without its times; `names` are those on its pages."""
    rest = audiences.read(row.audience)
    return Entry(
        id=row.id,
        app=app,
        accepted_at=to_ms(row.accepted_at),
        expires_at=to_ms(row.expires_at),
        request_id=row.request_id,
        sender=row.sender,
        priority=row.priority,
        users=() if row.everyone else names or rest.users,
        everyone=row.everyone,
        exclude=names if row.everyone and names else rest.exclude,
        event=row.event,
        data_json=row.data,
        ttl=row.ttl,
        collapse_key=row.collapse_key,
        cancel_key=row.cancel_key,
        thread_key=row.thread_key,
        tags_json=row.tags,
        topics=rest.topics,
        exclude_topics=rest.exclude_topics,
        segments=rest.segments,
        exclude_segments=rest.exclude_segments,
    )


def names_of(session: Session, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The names on the pages of these notifications, by id; one without any is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for part in chunks(ids):
        rows = session.execute(
            select(_P.notification_id, _P.names)
            .where(_P.notification_id.in_(part), _P.names.is_not(None))
            .order_by(_P.notification_id, _P.number)
        )
        for id, names in rows:
            found[id] = (*found.get(id, ()), *orjson.loads(names))
    return found
