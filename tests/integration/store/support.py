"""What the store's tests share: members that are valid by default, and the whole database to compare."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shared.db import Database
from shared.ids import uuid7
from shared.models import tables as t
from shared.protocol.envelope import AppFrames
from shared.store import apps, segments, subscriptions, users
from shared.store.groups import store_group
from shared.store.pages import mark_pages_published, page_frames, store_page
from shared.store.publishing import mark_published
from shared.store.rows import Member, PageRef, StoredGroup

NOW = 1_790_000_000_000
DAY_MS = 86_400_000
_numbers = itertools.count(1)


def empty(db: Database) -> None:
    """Only the app `main` as after a migration."""

    def clear(session: Session) -> None:
        for table in (
            t.deliveries,
            t.pages,
            t.notifications,
            t.subscriptions,
            t.allowances,
            t.segments,
            t.streams,
            t.users,
            t.api_keys,
            t.schedule_runs,
            t.schedules,
            t.connection_logs,
            t.refresh_tokens,
            t.sessions,
            t.accounts,
            t.revocations,
        ):
            session.execute(delete(table))
        session.execute(delete(t.apps).where(t.apps.c.name != "main"))
        session.execute(t.apps.update().values(all_seq=0, caps=None))

    db.run(clear)


def make_id(number: int | None = None) -> str:
    """An id that sorts by its number."""
    number = next(_numbers) if number is None else number
    return uuid7(NOW + number, number.to_bytes(10, "big"))


def member(*users: str, **changes: Any) -> Member:
    values: dict[str, Any] = {
        "id": make_id(),
        "app": "main",
        "event": "order.paid",
        "data_json": '{"n":1}',
        "priority": "normal",
        "users": users,
        "everyone": False,
        "exclude": (),
        "ttl": 86_400,
        "accepted_at": NOW - 5,
        "expires_at": NOW - 5 + DAY_MS,
        "sender": "key:abcdefgh",
        "request_id": "r-1",
    }
    return Member(**{**values, **changes})


def to_everyone(*exclude: str, **changes: Any) -> Member:
    return member(everyone=True, exclude=exclude, **changes)


def store(db: Database, *members: Member, now: int = NOW, page_size: int = 1000) -> StoredGroup:
    return db.run(
        lambda session: store_group(session, members, now_ms=now, push_after_s=30, page_size=page_size)
    )


def store_and_publish(db: Database, *members: Member, now: int = NOW, page_size: int = 1000) -> StoredGroup:
    """As a worker does it: the group, then its pages."""
    stored = store(db, *members, now=now, page_size=page_size)
    db.run(lambda session: mark_published(session, stored.publish_ids, now))
    for page in stored.pages:
        _store_and_publish_page(db, page, now)
    return stored


def _store_and_publish_page(db: Database, page: PageRef, now: int) -> None:
    id, number = page.notification_id, page.number
    db.run(lambda session: store_page(session, id, number, now_ms=now, push_after_s=30))
    db.run(lambda session: mark_pages_published(session, id, [number], now))


def stored_page(db: Database, id: str, number: int, now: int = NOW) -> AppFrames | None:
    """Store a page as a worker does; the frames of all who are on it, as if each of them were online."""
    page = db.run(lambda session: store_page(session, id, number, now_ms=now, push_after_s=30))
    if page is None:
        return None
    with db.session() as session:
        return page_frames(session, page, orjson.loads(page.names))


def subscribe(db: Database, pattern: str, *users: str, app_id: int = 1, now: int = NOW) -> int:
    return db.run(lambda session: subscriptions.subscribe(session, app_id, pattern, users, now_ms=now))


def know(
    db: Database, user: str, *, timezone: str | None = None, locale: str | None = None, **attributes: Any
) -> None:
    """Say what is known of a user, who is made if need be."""
    values = {"attributes": orjson.dumps(attributes).decode(), "timezone": timezone, "locale": locale}
    db.run(lambda session: users.upsert(session, 1, user, values, now_ms=NOW))


def make_segment(db: Database, name: str, rule: dict[str, Any], *, app_id: int = 1) -> None:
    text = orjson.dumps(rule).decode()
    db.run(lambda session: segments.put(session, app_id, name, text, now_ms=NOW))


def make_app(db: Database, name: str) -> None:
    db.run(lambda session: apps.create(session, name, epoch="0123456789abcdef", now_ms=NOW))


def dump(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, to compare before and after."""
    with db.session() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in t.apps.metadata.sorted_tables
        }


def stream_of(db: Database, user: str, app: str = "main") -> Any:
    with db.session() as session:
        statement = (
            select(t.streams)
            .join(t.users, t.users.c.id == t.streams.c.user_id)
            .join(t.apps, t.apps.c.id == t.users.c.app_id)
            .where(t.users.c.name == user, t.apps.c.name == app)
        )
        return session.execute(statement).one()


def deliveries_of(db: Database, user: str) -> Sequence[Any]:
    """A user's deliveries by seq, those without one last."""
    with db.session() as session:
        statement = (
            select(t.deliveries)
            .join(t.users, t.users.c.id == t.deliveries.c.user_id)
            .where(t.users.c.name == user)
        )
        return sorted(
            session.execute(statement), key=lambda row: (row.seq is None, row.seq, row.notification_id)
        )


def items(stored: StoredGroup) -> Iterator[tuple[str, int, int, str]]:
    """(user, seq, prev, fragment) of every frame to single users."""
    for frames in stored.frames:
        for item in frames.items:
            yield item.user, item.seq, item.prev, frames.bodies[item.body].fragment
