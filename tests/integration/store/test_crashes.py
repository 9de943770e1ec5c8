"""Death at every step of every job: the next run ends where an undisturbed one would have ended."""

from collections.abc import Callable
from typing import Any

import orjson

from shared.db import Database
from shared.services import inbox
from shared.store.expiry import expire_due
from shared.store.marks import Filter
from shared.store.pages import mark_pages_published, store_page
from shared.store.publishing import mark_published
from shared.store.receipts import apply_acks
from shared.store.users import erase
from tests.integration.store.crashes import dying_everywhere
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    dump,
    empty,
    make_id,
    member,
    store,
    subscribe,
    to_everyone,
)


def _named(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The database with names for the numbers of users: a rolled back transaction uses numbers up."""
    rows = dump(db)
    names = {row[0]: row[3] for row in rows["users"]}
    return {
        **rows,
        "users": sorted((row[1:] for row in rows["users"]), key=repr),
        "streams": sorted((names[row[0]], *row[1:]) for row in rows["streams"]),
        "deliveries": sorted(((row[0], names[row[1]], *row[2:]) for row in rows["deliveries"]), key=repr),
        "subscriptions": sorted((*row[:2], names[row[2]], *row[3:]) for row in rows["subscriptions"]),
        "pages": [(*row[:3], *row[5:]) for row in rows["pages"]],
        "notifications": [
            (*row[:7], row[7] and _excluded(row[7], names), *row[8:]) for row in rows["notifications"]
        ],
    }


def _excluded(column: str, names: dict[int, str]) -> list[str]:
    return sorted(names[id] for id in orjson.loads(column))


def _compare(db: Database, prepare: Callable[[], None], work: Callable[[], Any]) -> None:
    prepare()
    wanted = work()
    rows = _named(db)
    empty(db)
    prepare()

    assert dying_everywhere(db, work) == wanted
    assert _named(db) == rows


def test_storing_a_group(db: Database) -> None:
    known = member("ana", "ben", id=make_id(100))
    group = [
        member("ben", "ana", id=make_id(103)),
        to_everyone("ana", id=make_id(102)),
        member("ben", id=make_id(101)),
        member(*(f"u{n}" for n in range(5)), id=make_id(104)),
    ]

    _compare(db, lambda: _ignore(store(db, known)), lambda: store(db, *group, page_size=3))


def test_publishing(db: Database) -> None:
    one, other = member("ana", id=make_id(1)), member("ben", id=make_id(2))

    _compare(
        db,
        lambda: _ignore(store(db, one, other)),
        lambda: db.run(lambda session: mark_published(session, [one.id, other.id], NOW)),
    )


def test_storing_and_publishing_pages(db: Database) -> None:
    big = member(*(f"u{n}" for n in range(5)), id=make_id(7))

    def work_on(number: int) -> None:
        db.run(lambda session: store_page(session, big.id, number, now_ms=NOW, push_after_s=30))
        db.run(lambda session: mark_pages_published(session, big.id, [number], NOW))

    def work() -> None:
        work_on(0)
        work_on(1)

    _compare(db, lambda: _ignore(store(db, member("u1", "u4", id=make_id(6)), big, page_size=3)), work)


def test_subscribing(db: Database) -> None:
    def prepare() -> None:
        store(db, member("ana", id=make_id(1)))
        subscribe(db, "a/#", "ben", "cyd")

    _compare(db, prepare, lambda: subscribe(db, "a/#", "ana", "ben", "new"))


def test_receipts(db: Database) -> None:
    def prepare() -> None:
        store(db, *(member("ana", "ben", id=make_id(n)) for n in range(1, 4)), to_everyone(id=make_id(4)))

    acks = [("main", "ana", 2, 1), ("main", "ben", 9, 0)]
    _compare(db, prepare, lambda: db.run(lambda session: apply_acks(session, acks, NOW)))


def test_marks(db: Database) -> None:
    def prepare() -> None:
        store(db, *(member("ana", id=make_id(n)) for n in range(1, 4)), to_everyone(id=make_id(4)))

    def work() -> Any:
        marked = db.run(lambda session: inbox.mark(session, "main", "ana", "read", Filter(), NOW))
        return marked.changed_ids, marked.counts, marked.rev

    _compare(db, prepare, work)


def test_expiring(db: Database) -> None:
    def prepare() -> None:
        ids = [make_id(n) for n in range(1, 4)]
        store(db, *(member("ana", "ben", id=id, expires_at=NOW + 1) for id in ids))
        db.run(lambda session: mark_published(session, ids, NOW))

    def work() -> Any:
        return db.run(lambda session: expire_due(session, NOW + DAY_MS, 100))

    _compare(db, prepare, work)


def test_erasing(db: Database) -> None:
    def prepare() -> None:
        store(db, member("ana", id=make_id(1)), member("ana", "ben", id=make_id(2)))
        subscribe(db, "a/#", "ana", "ben")

    _compare(db, prepare, lambda: db.run(lambda session: erase(session, 1, "ana", now_ms=NOW)))


def _ignore(_: Any) -> None:
    return None
