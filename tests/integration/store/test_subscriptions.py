"""Subscriptions: made and taken away, and listed from either side."""

import threading
from typing import Any

import pytest

from shared.db import Database
from shared.models import tables as t
from shared.store import names as naming
from shared.store import subscriptions
from shared.store.users import erase
from tests.integration.store.support import NOW, dump, make_app, member, store, stream_of, subscribe

BUILD = "project/42/build"


def unsubscribe(db: Database, pattern: str, *users: str) -> int:
    return db.run(lambda session: subscriptions.unsubscribe(session, 1, pattern, users))


def page(db: Database, pattern: str, **options: int) -> list[str]:
    with db.session() as session:
        return [row.user for row in subscriptions.page(session, 1, pattern, **options)]


def topics(db: Database, app_id: int = 1, **options: Any) -> list[tuple[str, int]]:
    with db.session() as session:
        return [tuple(row) for row in subscriptions.topics(session, app_id, **options)]


def of_user(db: Database, user: str, **options: Any) -> list[str]:
    with db.session() as session:
        return subscriptions.of_user(session, 1, user, **options)


def test_who_subscribes_is_a_user_from_now_on_and_counts_once(db: Database) -> None:
    store(db, member("ana"))

    assert subscribe(db, BUILD, "ana", "bob", "bob") == 2
    assert subscribe(db, BUILD, "bob", "cyd", now=NOW + 5) == 1

    assert sorted(page(db, BUILD)) == ["ana", "bob", "cyd"]
    assert stream_of(db, "cyd").last_seq == 0
    with db.session() as session:
        rows = {row.user: row for row in subscriptions.page(session, 1, BUILD)}
    assert {user: row.created_at.timestamp() * 1000 for user, row in rows.items()} == {
        "ana": NOW,
        "bob": NOW,
        "cyd": NOW + 5,
    }
    assert rows["ana"].user_id == stream_of(db, "ana").user_id


def test_many_subscribe_and_leave_at_once(db: Database) -> None:
    many = [f"u{number}" for number in range(1200)]

    assert subscribe(db, BUILD, *many) == 1200
    assert subscribe(db, BUILD, *many) == 0
    assert unsubscribe(db, BUILD, *many[:1100], "nobody") == 1100

    assert sorted(page(db, BUILD, limit=1000)) == sorted(many[1100:])


def test_leaving_ends_this_very_subscription_and_no_other(db: Database) -> None:
    for pattern in (BUILD, BUILD + "/#", "project/42"):
        subscribe(db, pattern, "ana", "bob")

    assert unsubscribe(db, BUILD, "ana") == 1
    assert unsubscribe(db, BUILD, "ana") == 0
    assert unsubscribe(db, BUILD) == 0

    assert page(db, BUILD) == ["bob"]
    assert of_user(db, "ana") == ["project/42", BUILD + "/#"]


def test_subscribers_are_read_page_by_page(db: Database) -> None:
    subscribe(db, BUILD, *(f"u{number}" for number in range(5)))
    with db.session() as session:
        rows = subscriptions.page(session, 1, BUILD)
        first = subscriptions.page(session, 1, BUILD, limit=2)
        rest = subscriptions.page(session, 1, BUILD, after=first[-1].user_id)

    assert first + rest == rows
    assert [row.user_id for row in rows] == sorted(row.user_id for row in rows)


def test_topics_are_listed_by_their_bytes_with_how_many_follow_them(db: Database) -> None:
    subscribe(db, "b", "ana", "bob")
    for pattern in ("a/b", "a", "B", "a-b", "a/#", "#", "a_"):
        subscribe(db, pattern, "ana")

    listed = topics(db)

    assert listed == [("#", 1), ("B", 1), ("a", 1), ("a-b", 1), ("a/#", 1), ("a/b", 1), ("a_", 1), ("b", 2)]
    assert topics(db, limit=3) + topics(db, after="a", limit=3) + topics(db, after="a/b") == listed


def test_a_prefix_lists_what_lies_below_it_and_nothing_that_only_begins_alike(db: Database) -> None:
    below = ["a_b", "a_b/#", "a_b/c", "a_b/c/d"]
    for pattern in (*below, "a_b-c", "a_b.c", "a_b0", "a_bc", "axb/c", "A_b/c", "a", "#", "a_"):
        subscribe(db, pattern, "ana")

    assert [topic for topic, _ in topics(db, prefix="a_b")] == below
    assert [topic for topic, _ in topics(db, prefix="a_b", after="a_b/#", limit=1)] == ["a_b/c"]
    assert topics(db, prefix="nothing") == []


def test_a_users_topics_are_listed_in_order(db: Database) -> None:
    subscribe(db, "b", "ana", "bob")
    subscribe(db, "a/#", "ana")
    subscribe(db, "B", "ana")

    assert of_user(db, "ana") == ["B", "a/#", "b"]
    assert of_user(db, "ana", after="B", limit=1) == ["a/#"]
    assert of_user(db, "nobody") == []


def test_each_app_has_its_own(db: Database) -> None:
    make_app(db, "other")
    with db.session() as session:
        other = session.execute(t.apps.select().where(t.apps.c.name == "other")).one().id
    subscribe(db, BUILD, "ana")
    subscribe(db, BUILD, "ana", "bob", app_id=other)

    assert topics(db) == [(BUILD, 1)]
    assert topics(db, other) == [(BUILD, 2)]
    assert page(db, BUILD) == ["ana"]
    assert of_user(db, "bob") == []


def test_an_erased_user_is_subscribed_to_nothing_even_if_the_name_comes_back(db: Database) -> None:
    for pattern in (BUILD, "#"):
        subscribe(db, pattern, "ana", "bob")

    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))
    store(db, member("ana"))

    assert of_user(db, "ana") == []
    assert topics(db) == [("#", 1), (BUILD, 1)]
    assert len(dump(db)["subscriptions"]) == 2


def test_who_is_erased_while_subscribing_is_a_new_user(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    store(db, member("ana"))
    if db.dialect == "sqlite":
        pytest.skip("one writer at a time: nobody can erase in between")
    resolving = naming.resolve

    def resolve_then_erase(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        found = resolving(*args, **options)
        db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))
        return found

    monkeypatch.setattr(naming, "resolve", resolve_then_erase)

    assert subscribe(db, BUILD, "ana") == 1
    assert page(db, BUILD) == ["ana"]


def test_two_that_subscribe_the_same_users_at_once_count_each_once(db: Database) -> None:
    users = [f"u{number}" for number in range(50)]
    counted: list[int] = []
    threads = [
        threading.Thread(target=lambda order: counted.append(subscribe(db, BUILD, *order)), args=(order,))
        for order in (users, users[::-1], users)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(counted) == [0, 0, 50]
    assert topics(db) == [(BUILD, 50)]
