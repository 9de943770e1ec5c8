"""Notifications by topic: who is subscribed when it is stored gets it, once, and a second run changes nothing."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from sqlalchemy import event, select

from shared.clock import to_datetime
from shared.db import Database
from shared.models import tables as t
from shared.store import apps, expiry, notifications, page_failures, purge, subscriptions
from shared.store.pages import mark_pages_published, store_page
from shared.store.rows import Member, PageRef
from shared.store.users import erase
from tests.integration.store.crashes import Died, dying_before, dying_everywhere
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    deliveries_of,
    dump,
    empty,
    items,
    make_id,
    member,
    store,
    store_and_publish,
    stream_of,
    subscribe,
    to_everyone,
)

MANY = [f"u{number}" for number in range(25)]


def to_topics(*topics: str, users: Sequence[str] = (), **changes: Any) -> Member:
    return member(*users, topics=topics, **changes)


def row(db: Database, id: str) -> notifications.NotificationRow:
    with db.session() as session:
        found = notifications.find(session, apps.require(session, "main").id, id)
    assert found is not None
    return found


def status(db: Database, id: str) -> str:
    with db.session() as session:
        found = row(db, id)
        return notifications.status_of(found, notifications.counts(session, found))


def got(db: Database, one: Member) -> list[str]:
    """Names of all who have a delivery, in the order of the pages or of the alphabet."""
    with db.session() as session:
        d, u = t.deliveries.c, t.users.c
        mine = select(u.name).join(t.deliveries, d.user_id == u.id).where(d.notification_id == one.id)
        return sorted(session.scalars(mine))


def pages_of(db: Database, one: Member) -> list[list[str]]:
    """The names on the pages that are not published."""
    with db.session() as session:
        p = t.pages.c
        mine = select(p.names).where(p.notification_id == one.id, p.names.is_not(None)).order_by(p.number)
        return [orjson.loads(names) for names in session.scalars(mine)]


def test_users_and_topics_together_reach_everybody_once(db: Database) -> None:
    subscribe(db, "project/42/build", "ana", "bob")
    subscribe(db, "project/42/#", "bob", "cyd")
    subscribe(db, "#", "dan")
    subscribe(db, "project/42", "eve")
    subscribe(db, "news", "fay", "ana")
    one = to_topics("project/42/build", "news", users=("new", "cyd"))

    stored = store_and_publish(db, one)

    assert sorted(user for user, *_ in items(stored)) == ["ana", "bob", "cyd", "dan", "fay", "new"]
    assert all((seq, prev) == (1, 0) for _, seq, prev, _ in items(stored))
    assert stored.publish_ids == [one.id]
    assert row(db, one.id).recipients == 6
    assert status(db, one.id) == "sent"


def test_a_wildcard_follows_its_own_topic_and_all_below_it(db: Database) -> None:
    subscribe(db, "a/b/#", "ana")

    sent = [to_topics(topic) for topic in ("a", "a/b", "a/b/c", "a/b/c/d", "a/bc", "A/b")]
    store_and_publish(db, *sent)

    assert [got(db, one) for one in sent] == [[], ["ana"], ["ana"], ["ana"], [], []]
    assert [delivery.seq for delivery in deliveries_of(db, "ana")] == [1, 2, 3]


def test_whoever_an_exclusion_names_is_out_whatever_brought_them_in(db: Database) -> None:
    subscribe(db, "build", "ana", "bob", "cyd", "dan")
    subscribe(db, "muted/#", "bob", "named")
    one = to_topics(
        "build", users=("named", "eve", "fay"), exclude=("cyd", "fay", "x"), exclude_topics=("muted/now",)
    )
    other = member("bob", "eve", exclude_topics=("muted",))

    store_and_publish(db, one, other)

    assert got(db, one) == ["ana", "dan", "eve"]
    assert got(db, other) == ["eve"]
    assert [row(db, each.id).recipients for each in (one, other)] == [3, 1]


def test_one_for_everyone_leaves_out_who_is_subscribed(db: Database) -> None:
    subscribe(db, "muted/#", "ana", "bob")
    one = to_everyone("cyd", exclude_topics=("muted/now",))

    [frames] = store(db, one).frames

    [broadcast] = frames.broadcasts
    assert sorted(broadcast.excluded) == ["ana", "bob", "cyd"]
    [again] = store(db, one).frames
    assert again.broadcasts == [broadcast]


@pytest.mark.parametrize("audience", ["nobody is subscribed", "all are excluded"])
def test_an_audience_of_nobody_is_over_at_once(db: Database, audience: str) -> None:
    if audience == "all are excluded":
        subscribe(db, "build", "ana")
    one = to_topics("build", exclude=("ana",))

    stored = store(db, one)
    again = store(db, one)

    assert (stored.stored_ids, stored.publish_ids, stored.pages, stored.frames) == ([one.id], [], [], [])
    assert (again.already, again.publish_ids, again.pages, again.frames) == ([one.id], [], [], [])
    found = row(db, one.id)
    assert (found.status, found.recipients, found.published_at) == ("sent", 0, to_datetime(NOW))
    assert status(db, one.id) == "completed"
    with db.session() as session:
        assert [hop.hop for hop in notifications.timeline(session, found)] == ["accepted", "stored"]


def test_one_that_comes_after_its_end_is_recorded_and_takes_no_number(db: Database) -> None:
    subscribe(db, "build", "ana", *MANY)
    subscribe(db, "rest", "ana")
    few, nobody, many = (to_topics(topic, expires_at=NOW) for topic in ("rest", "none", "build"))

    stored = store_and_publish(db, few, nobody, many, page_size=10)

    assert [row(db, one.id).status for one in (few, nobody, many)] == ["expired"] * 3
    assert [(delivery.state, delivery.seq) for delivery in deliveries_of(db, "ana")] == [
        ("expired", None)
    ] * 2
    assert stream_of(db, "ana").last_seq == 0
    assert list(items(stored)) == []


def test_what_the_row_keeps_of_its_audience_is_no_name(db: Database) -> None:
    subscribe(db, "build", "ana")
    one, plain = to_topics("build", exclude=("bob",), exclude_topics=("muted",)), member("ana")

    store(db, one, plain)

    kept = row(db, one.id).audience
    assert kept is not None
    assert orjson.loads(kept) == {"topics": ["build"], "exclude_topics": ["muted"]}
    assert row(db, plain.id).audience is None


def test_a_second_run_reads_back_whoever_has_subscribed_meanwhile(db: Database) -> None:
    subscribe(db, "build", "ana", "bob")
    one = to_topics("build")
    first = store(db, one)
    subscribe(db, "build", "cyd")
    before = dump(db)

    again = store(db, one, now=NOW + 60_000)

    assert sorted(items(again)) == sorted(items(first))
    assert (again.already, again.publish_ids) == ([one.id], [one.id])
    assert dump(db) == before


def test_a_big_audience_becomes_pages_of_named_users_and_then_subscribers(db: Database) -> None:
    subscribe(db, "build", *MANY)
    subscribe(db, "muted", "u3", "u4", "x1")
    named = ("x0", "u7", "x1", "x2", "x0")
    one = to_topics("build", users=named, exclude=("u0",), exclude_topics=("muted",), priority="bulk")

    stored = store(db, one, page_size=10)

    assert stored.pages == [PageRef(one.id, number, "bulk") for number in range(3)]
    assert (stored.frames, stored.publish_ids, stored.stored_ids) == ([], [], [one.id])
    pages = pages_of(db, one)
    assert [len(page) for page in pages] == [10, 10, 4]
    names = [name for page in pages for name in page]
    assert names[:3] == ["x0", "u7", "x2"]
    assert sorted(names[3:]) == sorted(set(MANY) - {"u0", "u3", "u4", "u7"})
    found = row(db, one.id)
    assert (found.recipients, found.status, found.published_at) == (24, "sending", None)


def test_an_audience_of_just_one_page_goes_the_short_way(db: Database) -> None:
    subscribe(db, "build", *MANY)
    one = to_topics("build")

    stored = store(db, one, page_size=25)

    assert stored.pages == []
    assert sorted(user for user, *_ in items(stored)) == sorted(MANY)
    assert row(db, one.id).recipients == 25


def test_after_a_death_between_two_pages_the_rest_goes_to_those_who_were_found_first(db: Database) -> None:
    subscribe(db, "build", *MANY)
    one = to_topics("build")
    stored = store(db, one, page_size=10)
    work_on(db, stored.pages[0])
    # Everything changes while the worker is away.
    subscribe(db, "build", "late")
    for name in MANY:
        leave(db, "build", name)

    again = store(db, one, page_size=10)
    assert again.pages == stored.pages[1:]
    for page in again.pages:
        work_on(db, page)

    assert got(db, one) == sorted(MANY)
    assert all(stream_of(db, name).last_seq == 1 for name in MANY)
    found = row(db, one.id)
    assert (found.status, found.recipients) == ("sent", 25)
    assert store(db, one, page_size=10).pages == []


def work_on(db: Database, page: PageRef) -> None:
    id, number = page.notification_id, page.number
    assert db.run(lambda session: store_page(session, id, number, now_ms=NOW, push_after_s=30))
    db.run(lambda session: mark_pages_published(session, id, [number], NOW))


def leave(db: Database, pattern: str, name: str) -> None:
    assert db.run(lambda session: subscriptions.unsubscribe(session, 1, pattern, [name])) == 1


def test_a_death_at_any_step_leaves_nothing_and_the_next_run_ends_the_same(db: Database) -> None:
    group = [
        to_topics("build", id=make_id(1)),
        to_topics("few", users=("new",), id=make_id(2)),
        to_topics("none", id=make_id(3)),
        to_everyone(exclude_topics=("few",), id=make_id(4)),
        member("ana", id=make_id(5)),
    ]

    def prepare() -> None:
        empty(db)
        subscribe(db, "build", *MANY[:7])
        subscribe(db, "few", "ana", "bob")

    def outcome() -> Any:
        stored = store(db, *group, page_size=3)
        return sorted(items(stored)), stored.pages, stored.publish_ids, pages_of(db, group[0])

    prepare()
    wanted = outcome()
    prepare()
    before = dump(db)
    with pytest.raises(Died), dying_before(db, 9):
        store(db, *group, page_size=3)
    assert dump(db) == before

    users, pages, publish_ids, names = dying_everywhere(db, outcome)
    assert (users, pages, publish_ids) == wanted[:3]
    assert [len(page) for page in names] == [3, 3, 1]
    assert [row(db, one.id).recipients for one in group] == [7, 3, 0, 0, 1]


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """What the database is told, in order."""
    told: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        told.append(" ".join(statement.split()))

    event.listen(db.engine, "before_cursor_execute", note)
    yield told
    event.remove(db.engine, "before_cursor_execute", note)


def test_pages_are_written_while_the_rest_of_the_audience_is_still_unread(db: Database) -> None:
    subscribe(db, "build", *(f"u{number}" for number in range(90)))

    with statements(db) as told:
        stored = store(db, to_topics("build"), page_size=2)

    assert len(stored.pages) == 45
    kinds = "".join(
        "w" if "INTO pages" in statement else "r"
        for statement in told
        if "subscriptions" in statement or "INTO pages" in statement
    )
    assert re.fullmatch(r"r{20,21}wr{20}wr{5,6}w", kinds), kinds


def test_entries_without_topics_ask_nothing_more(db: Database) -> None:
    subscribe(db, "build", "ana")

    with statements(db) as told:
        store(db, member("ana"), to_everyone("ana"), member(*MANY), page_size=20)

    assert not [
        statement
        for statement in told
        if "subscriptions" in statement or "UPDATE notifications SET recipients" in statement
    ]


def test_a_failed_page_is_put_back_with_the_names_that_it_had(db: Database) -> None:
    subscribe(db, "build", *MANY)
    one = to_topics("build")
    stored = store(db, one, page_size=10)
    work_on(db, stored.pages[0])
    work_on(db, stored.pages[2])
    for _ in range(2):
        db.run(lambda session: page_failures.count(session, one.id, 1, error="broken"))
    db.run(lambda session: page_failures.give_up(session, one.id, 1, now_ms=NOW))
    subscribe(db, "build", "late")
    assert row(db, one.id).status == "failed"

    [page] = db.run(lambda session: page_failures.put_back(session, one.id, now_ms=NOW))
    work_on(db, page)

    assert got(db, one) == sorted(MANY)
    assert row(db, one.id).status == "sent"


def test_it_expires_and_is_purged_as_any_other(db: Database) -> None:
    subscribe(db, "build", *MANY)
    one = to_topics("build", expires_at=NOW + 1000)
    store_and_publish(db, one, page_size=10)
    with db.session() as session:
        assert notifications.counts(session, row(db, one.id)) == {"sent": 25}

    db.run(lambda session: expiry.expire_due(session, NOW + DAY_MS, 100))
    assert stream_of(db, "u1").total == 0
    with db.session() as session:
        assert notifications.counts(session, row(db, one.id)) == {"expired": 25}
    db.run(lambda session: purge.purge_due(session, NOW + 2 * DAY_MS))

    rows = dump(db)
    assert (rows["notifications"], rows["pages"], rows["deliveries"]) == ([], [], [])
    assert len(rows["subscriptions"]) == 25


def test_who_was_erased_gets_nothing_more_by_topic(db: Database) -> None:
    subscribe(db, "build", "ana", "bob")
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))
    one = to_topics("build")

    store_and_publish(db, one)

    assert got(db, one) == ["bob"]
    assert "ana" not in {user[2] for user in dump(db)["users"]}
