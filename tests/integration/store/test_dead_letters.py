"""A failed notification keeps all that is needed to send it again, and goes through like any other."""

from dataclasses import replace

import pytest

from shared.db import Database
from shared.models import tables as t
from shared.store import apps, dead_letters, notifications, rescues
from shared.store.rows import Member
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    make_app,
    member,
    store,
    store_and_publish,
    stream_of,
    subscribe,
    to_everyone,
)


def fail(db: Database, one: Member, *, error: str = "broken", attempts: int = 8, now: int = NOW) -> bool:
    return db.run(
        lambda session: rescues.store_failed(session, one, error=error, attempts=attempts, now_ms=now)
    )


def entry_of(db: Database, id: str) -> Member:
    """The entry that a retry would write."""
    with db.session() as session:
        app = apps.require(session, "main")
        row = notifications.find(session, app.id, id)
        assert row is not None
        return dead_letters.entry_of(session, "main", row)


def letters(db: Database, app: str = "main", **options: object) -> list[str]:
    with db.session() as session:
        return [row.id for row in dead_letters.page(session, apps.require(session, app).id, **options)]


@pytest.mark.parametrize(
    "audience",
    ["few", "many", "everyone", "topics", "topics and users", "everyone less", "segments", "less segments"],
)
def test_the_entry_of_a_failed_one_is_the_one_that_was_accepted(db: Database, audience: str) -> None:
    sent = {
        "few": member("ana", "bob", tags_json='["x"]', cancel_key="c", thread_key="t"),
        "many": member(*(f"u{number}" for number in range(2500))),
        "everyone": to_everyone("ana", "bob"),
        "topics": member(topics=("a/b", "c"), exclude=("cyd",), exclude_topics=("d",)),
        "topics and users": member("ana", "bob", topics=("a/b",)),
        "everyone less": to_everyone("ana", exclude_topics=("d", "a/b")),
        "segments": member("ana", segments=("paid", "x"), exclude=("cyd",), exclude_segments=("y",)),
        "less segments": to_everyone("ana", exclude_segments=("paid",)),
    }[audience]
    fail(db, sent)

    assert entry_of(db, sent.id) == sent


def test_a_retried_one_takes_the_place_of_its_failed_row(db: Database) -> None:
    one, other = member("ana"), member("ana")
    fail(db, one)

    stored = store_and_publish(db, replace(one, retried=True), other, now=NOW + 5)

    assert sorted(stored.stored_ids) == sorted([one.id, other.id])
    assert [row.notification_id for row in deliveries_of(db, "ana")] == [one.id, other.id]
    assert stream_of(db, "ana").last_seq == 2
    assert letters(db) == []
    with db.session() as session:
        row = notifications.find(session, apps.require(session, "main").id, one.id)
        assert row is not None
        assert row.status == "sent"
        # What had gone wrong stays in its timeline.
        assert [hop.reason for hop in notifications.timeline(session, row) if hop.hop == "failed"] == [
            "broken"
        ]


def test_a_retried_one_for_many_goes_out_in_pages(db: Database) -> None:
    one = member(*(f"u{number}" for number in range(5)))
    fail(db, one)

    stored = store_and_publish(db, replace(entry_of(db, one.id), retried=True), page_size=2)

    assert [page.number for page in stored.pages] == [0, 1, 2]
    assert all(stream_of(db, f"u{number}").last_seq == 1 for number in range(5))


def test_a_retried_one_for_topics_goes_to_those_who_are_subscribed_by_then(db: Database) -> None:
    subscribe(db, "a/#", "ana", "bob", "cyd")
    one = member("dan", topics=("a/b",), exclude=("cyd",))
    fail(db, one)
    subscribe(db, "a/b", "eve", "cyd")

    stored = store_and_publish(db, replace(entry_of(db, one.id), retried=True), page_size=3)

    assert [page.number for page in stored.pages] == [0, 1]
    assert [stream_of(db, name).last_seq for name in ("ana", "bob", "cyd", "dan", "eve")] == [1, 1, 0, 1, 1]
    assert letters(db) == []


def test_a_blank_one_keeps_nothing_of_its_audience(db: Database) -> None:
    one = member("ana", topics=("a/b",), exclude=("cyd",))
    db.run(lambda session: rescues.store_failed(session, one, error="a", attempts=1, now_ms=NOW, blank=True))

    with db.session() as session:
        row = notifications.find(session, apps.require(session, "main").id, one.id)
    assert row is not None
    assert row.audience is None
    assert dump(db)["pages"] == []


def test_a_retried_one_for_everyone_keeps_whom_it_excludes(db: Database) -> None:
    one = to_everyone("bob")
    fail(db, one)

    stored = store(db, replace(entry_of(db, one.id), retried=True))

    [broadcast] = stored.frames[0].broadcasts
    assert (broadcast.seq, broadcast.excluded) == (1, ("bob",))


def test_a_second_copy_of_a_retry_changes_nothing(db: Database) -> None:
    one = replace(member("ana"), retried=True)
    fail(db, one)
    store_and_publish(db, one)
    before = dump(db)

    again = store(db, one)

    assert (again.stored_ids, again.already, again.frames) == ([], [one.id], [])
    assert dump(db) == before


def test_a_redelivered_copy_of_the_first_try_does_not_revive_what_failed(db: Database) -> None:
    one = member("ana")
    fail(db, one)
    before = dump(db)

    store(db, one)

    assert dump(db) == before


def test_a_retried_one_can_fail_again_and_keeps_its_content(db: Database) -> None:
    one = member("ana", "bob")
    db.run(lambda session: rescues.store_failed(session, one, error="a", attempts=1, now_ms=NOW, blank=True))

    assert fail(db, replace(one, retried=True), error="b", attempts=2, now=NOW + 9)

    assert entry_of(db, one.id) == one
    with db.session() as session:
        [row] = dead_letters.page(session, apps.require(session, "main").id)
    assert (row.error, row.attempts) == ("b", 2)
    assert not fail(db, one, error="c")


def test_letters_are_listed_newest_first_page_by_page_and_by_app(db: Database) -> None:
    make_app(db, "shop")
    ours = [member("ana") for _ in range(5)]
    for one in (*ours, foreign := member("ana", app="shop")):
        fail(db, one)
    store(db, member("ana"))
    newest_first = [one.id for one in ours][::-1]

    assert letters(db, limit=3) == newest_first[:3]
    assert letters(db, limit=3, before=newest_first[2]) == newest_first[3:]
    assert letters(db, "shop") == [foreign.id]


def test_what_failed_is_found_by_its_index(db: Database) -> None:
    names = {index.name for index in t.notifications.indexes}

    assert "ix_notifications_failed" in names
