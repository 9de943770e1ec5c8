"""What the tests of scheduled and held notifications share."""

from typing import Any

from sqlalchemy import select

from shared.db import Database
from shared.domain.caps import Action, dump, make
from shared.domain.delivery import HIDDEN
from shared.models import tables as t
from shared.store import releases, scheduled, users
from shared.store.groups import send_scheduled
from shared.store.publishing import mark_published
from shared.store.releases import Released
from shared.store.rows import StoredGroup
from tests.integration.store.support import NOW, stream_of

HOUR = 3_600_000


def send(db: Database, now: int, *ids: str, page_size: int = 1000) -> StoredGroup:
    """What `due` and `send` do: claim what is due, store it anew, mark it as published."""
    claimed = db.run(lambda session: scheduled.claim(session, now, limit=1000))
    wanted = ids or [one.id for one in claimed]
    sent = db.run(
        lambda session: send_scheduled(session, wanted, now_ms=now, push_after_s=30, page_size=page_size)
    )
    db.run(lambda session: mark_published(session, sent.publish_ids, now))
    return sent


def release(db: Database, now: int, *, limit: int = 500, published: bool = True) -> Released:
    released = db.run(lambda session: releases.release_due(session, now_ms=now, push_after_s=30, limit=limit))
    if published:
        db.run(lambda session: releases.mark_published(session, released.pairs))
    return released


def live_in(db: Database, user: str, zone: str) -> None:
    db.run(lambda session: users.upsert(session, 1, user, {"timezone": zone}, now_ms=NOW))


def cap(db: Database, limit: int, per_s: int, action: str, event: str | None = None, id: str = "c") -> None:
    """The only cap of the app `main`."""
    text = dump([make(id, event, limit, per_s, Action(action))])
    db.run(lambda session: session.execute(t.apps.update().where(t.apps.c.name == "main").values(caps=text)))


def row_of(db: Database, id: str) -> Any:
    with db.session() as session:
        return session.execute(select(t.notifications).where(t.notifications.c.id == id)).one()


def check_numbers(db: Database, *names: str) -> None:
    """The numbers of a stream are those of its rows, and its places are without a gap."""
    with db.session() as session:
        for name in names:
            of_user = select(t.deliveries).join(t.users, t.users.c.id == t.deliveries.c.user_id)
            rows = session.execute(of_user.where(t.users.c.name == name)).all()
            stream = stream_of(db, name)
            shown = [row for row in rows if row.seq is not None and row.state not in HIDDEN]
            here = [row for row in shown if row.archived_at is None]
            assert sorted(row.seq for row in rows if row.seq is not None) == list(
                range(1, stream.last_seq + 1)
            )
            assert stream.total == len(shown)
            assert stream.unread == sum(row.read_at is None for row in here)
            assert stream.unseen == sum(row.seen_at is None for row in here)
