"""Pages that cannot be stored: the others go out, the notification fails, and only what is missing is sent again."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.db import Database
from shared.models import tables as t
from shared.store import apps, dead_letters, deliveries, notifications, page_failures, rescues
from shared.store.expiry import expire_due
from shared.store.notifications import NotificationRow
from shared.store.pages import mark_pages_published, store_page
from shared.store.publishing import FIRST_WAIT_MS, unpublished
from shared.store.purge import purge_due
from shared.store.receipts import ACK_GRACE_MS, apply_acks
from shared.store.rows import Member, PageRef
from shared.store.users import erase
from tests.integration.store.crashes import Died, dying_before
from tests.integration.store.support import NOW, deliveries_of, dump, member, store, stored_page, stream_of

NAMES = tuple(f"user-{number:02}" for number in range(25))
TTL_MS = 86_400_000
DAYS_40 = 40 * TTL_MS


def big(db: Database, **changes: Any) -> Member:
    """A notification of three pages, written down and not begun."""
    one = member(*NAMES, **changes)
    store(db, one, page_size=10)
    return one


def deliver(db: Database, one: Member, number: int, now: int = NOW) -> list[str] | None:
    """Store and publish a page; whom it went to."""
    frames = stored_page(db, one.id, number, now)
    if frames is None:
        return None
    db.run(lambda session: mark_pages_published(session, one.id, [number], now))
    return sorted(item.user for item in frames.items)


def count(db: Database, one: Member, number: int, error: str = "DataError: bad") -> int | None:
    return db.run(lambda session: page_failures.count(session, one.id, number, error=error))


def give_up(db: Database, one: Member, number: int, now: int = NOW) -> None:
    def write(session: Session) -> None:
        page_failures.count(session, one.id, number, error="DataError: bad")
        page_failures.give_up(session, one.id, number, now_ms=now)

    db.run(write)


def put_back(db: Database, one: Member, now: int = NOW) -> list[int]:
    pages = db.run(lambda session: page_failures.put_back(session, one.id, now_ms=now))
    return [page.number for page in pages]


def row_of(db: Database, one: Member) -> NotificationRow:
    with db.session() as session:
        found = notifications.find(session, apps.require(session, "main").id, one.id)
    assert found is not None
    return found


def counts(db: Database, one: Member) -> dict[str, int]:
    with db.session() as session:
        return notifications.counts(session, row_of(db, one))


def letters(db: Database) -> list[tuple[str, str | None, int]]:
    with db.session() as session:
        found = dead_letters.page(session, apps.require(session, "main").id)
    return [(row.id, row.error, row.attempts) for row in found]


def page_of(db: Database, one: Member, number: int) -> Any:
    with db.session() as session:
        p = t.pages.c
        return session.execute(select(t.pages).where(p.notification_id == one.id, p.number == number)).one()


def partly_failed(db: Database, **changes: Any) -> Member:
    """Page 1 is given up, the others are published."""
    one = big(db, **changes)
    give_up(db, one, 1)
    deliver(db, one, 0)
    deliver(db, one, 2)
    return one


def test_failures_are_counted_with_the_last_reason(db: Database) -> None:
    one = big(db)

    assert [count(db, one, 1, error) for error in ("a", "b")] == [1, 2]

    assert (page_of(db, one, 1).failures, page_of(db, one, 1).error) == (2, "b")
    assert (page_of(db, one, 0).failures, page_of(db, one, 0).error) == (0, None)
    assert row_of(db, one).status == "sending"


def test_a_page_that_was_stored_or_given_up_meanwhile_counts_no_failure(db: Database) -> None:
    one = big(db)
    db.run(lambda session: store_page(session, one.id, 0, now_ms=NOW, push_after_s=30))
    deliver(db, one, 2)
    give_up(db, one, 1)
    before = dump(db)

    assert [count(db, one, number) for number in (0, 1, 2, 9)] == [None] * 4
    assert dump(db) == before


@pytest.mark.parametrize("delay_ms", [1000, 300_000])
def test_a_page_that_is_put_off_is_found_at_its_time_and_not_before(db: Database, delay_ms: int) -> None:
    one = big(db)
    deliver(db, one, 0)
    deliver(db, one, 2)
    due = NOW + delay_ms

    db.run(lambda session: page_failures.put_off(session, one.id, 1, until_ms=due))

    def found(at: int) -> list[PageRef]:
        with db.session() as session:
            return unpublished(session, older_than_ms=at - FIRST_WAIT_MS, limit=10).pages

    assert found(due) == []
    assert found(due + 1) == [PageRef(one.id, 1, "normal")]


@pytest.mark.parametrize("order", ["0 x1 2", "x1 0 2", "0 2 x1"])
def test_it_fails_once_every_page_has_ended_and_until_then_it_is_sending(db: Database, order: str) -> None:
    one = big(db)
    steps: list[Callable[[], object]] = [
        lambda step=step: give_up(db, one, 1) if step == "x1" else deliver(db, one, int(step), NOW + 5)
        for step in order.split()
    ]

    for step in steps:
        assert row_of(db, one).status == "sending"
        step()

    row = row_of(db, one)
    assert (row.status, row.error, row.attempts) == ("failed", "page 1: DataError: bad", 1)
    assert row.failed_at in (to_datetime(NOW), to_datetime(NOW + 5))
    assert counts(db, one) == {"sent": 15, "failed": 10}
    assert letters(db) == [(one.id, "page 1: DataError: bad", 1)]
    assert {stream_of(db, name).last_seq for name in (*NAMES[:10], *NAMES[20:])} == {1}


def test_of_two_last_pages_that_end_at_once_one_sees_the_other(db: Database) -> None:
    one = big(db)
    deliver(db, one, 0)
    db.run(lambda session: store_page(session, one.id, 2, now_ms=NOW, push_after_s=30))
    failing = threading.Thread(target=lambda: give_up(db, one, 1), daemon=True)

    def publish_the_other(session: Session) -> None:
        assert mark_pages_published(session, one.id, [2], NOW) is False
        failing.start()
        failing.join(0.3)  # it must wait for the commit; given time, it must still be waiting
        assert failing.is_alive()

    db.run(publish_the_other)
    failing.join(10)

    assert row_of(db, one).status == "failed"
    assert counts(db, one) == {"failed": 10, "sent": 15}


def test_a_page_given_up_is_left_alone(db: Database) -> None:
    one = big(db)
    give_up(db, one, 1)

    assert deliver(db, one, 1) is None
    with db.session() as session:
        found = unpublished(session, older_than_ms=NOW + DAYS_40, limit=10)
    assert [page.number for page in found.pages] == [0, 2]
    assert deliver(db, one, 0) == list(NAMES[:10])


def test_several_failed_pages_are_told_in_one_line(db: Database) -> None:
    one = big(db)
    deliver(db, one, 0)
    count(db, one, 2)
    give_up(db, one, 2)
    give_up(db, one, 1)

    assert letters(db) == [(one.id, "page 1: DataError: bad (and 1 more)", 2)]


def test_its_deliveries_and_timeline_tell_what_got_through(db: Database) -> None:
    one = partly_failed(db)

    with db.session() as session:
        row = row_of(db, one)
        sent = deliveries.page(session, row, state="sent")
        hops = {hop.hop: hop.reason for hop in notifications.timeline(session, row)}

    assert sorted(delivery.user for delivery in sent) == sorted((*NAMES[:10], *NAMES[20:]))
    assert all(delivery.sent_at for delivery in sent)
    assert hops == {
        "accepted": None,
        "stored": None,
        "published": None,
        "failed": "page 1: DataError: bad",
    }


def test_put_back_sends_only_what_is_missing_and_nobody_gets_it_twice(db: Database) -> None:
    one = partly_failed(db)
    db.run(lambda session: apply_acks(session, [("main", "user-03", 1, 0)], NOW))
    others = [deliveries_of(db, name) for name in (*NAMES[:10], *NAMES[20:])]
    later = NOW + 7200_000

    assert put_back(db, one, later) == [1]

    assert row_of(db, one).status == "sending"
    assert counts(db, one) == {"delivered": 1, "pending": 24}
    assert letters(db) == []
    page = page_of(db, one, 1)
    assert (page.failures, page.error, page.failed_at, page.attempts) == (0, None, None, 0)
    with db.session() as session:
        due = unpublished(session, older_than_ms=later - FIRST_WAIT_MS + 1, limit=10)
    assert due.pages == [PageRef(one.id, 1, "normal")]
    assert [deliver(db, one, number, later) for number in (0, 1, 2)] == [None, list(NAMES[10:20]), None]
    row = row_of(db, one)
    assert (row.status, row.published_at) == ("sent", to_datetime(later))
    # What had gone wrong stays in its timeline.
    assert row.error == "page 1: DataError: bad"
    assert counts(db, one) == {"delivered": 1, "sent": 24}
    assert [deliveries_of(db, name) for name in (*NAMES[:10], *NAMES[20:])] == others
    assert {stream_of(db, name).last_seq for name in NAMES} == {1}


def test_put_back_twice_is_put_back_once(db: Database) -> None:
    one = partly_failed(db)
    put_back(db, one)
    before = dump(db)

    assert put_back(db, one, NOW + 5000) == []
    assert dump(db) == before
    deliver(db, one, 1)
    before = dump(db)
    assert put_back(db, one, NOW + 5000) == []
    assert dump(db) == before


def test_nothing_is_put_back_while_other_pages_are_under_way(db: Database) -> None:
    one = big(db)
    give_up(db, one, 1)
    before = dump(db)

    assert put_back(db, one) == []
    assert dump(db) == before


def test_a_page_that_is_put_back_can_fail_again(db: Database) -> None:
    one = partly_failed(db)
    put_back(db, one)

    give_up(db, one, 1, NOW + 9)

    row = row_of(db, one)
    assert (row.status, row.failed_at, row.attempts) == ("failed", to_datetime(NOW + 9), 1)
    assert counts(db, one) == {"sent": 15, "failed": 10}
    assert put_back(db, one) == [1]


def test_put_back_cut_at_any_step_is_made_whole_by_the_next(db: Database) -> None:
    for step in range(20):
        one = partly_failed(db)
        before = dump(db)
        try:
            with dying_before(db, step):
                put_back(db, one)
        except Died:
            assert dump(db) == before
            assert put_back(db, one) == [1]
            assert deliver(db, one, 1) == list(NAMES[10:20])
        else:
            assert step > 2
            break
    else:
        pytest.fail("it never got through")


def test_what_failed_whole_has_no_pages_to_put_back(db: Database) -> None:
    one = member(*NAMES)
    db.run(lambda session: rescues.store_failed(session, one, error="x", attempts=8, now_ms=NOW))
    before = dump(db)

    assert put_back(db, one) == []
    assert dump(db) == before
    assert counts(db, one) == {"failed": 25}


def test_it_is_never_taken_away_to_be_stored_anew(db: Database) -> None:
    one = partly_failed(db)
    before = dump(db)
    assert db.run(lambda session: rescues.take_failed(session, [one.id])) == {}
    assert dump(db) == before

    # As an api of the version before sends it: an entry with the names that its pages still hold.
    again = store(db, replace(one, users=NAMES[10:20], retried=True), page_size=5)

    assert (again.stored_ids, again.already) == ([], [one.id])
    assert again.pages == [PageRef(one.id, 1, "normal")]
    assert deliver(db, one, 1) == list(NAMES[10:20])
    assert row_of(db, one).status == "sent"
    assert len(dump(db)["deliveries"]) == 25


def test_its_expired_ones_leave_the_inbox_and_it_is_purged_after_its_end(db: Database) -> None:
    end = NOW + 1000
    one = partly_failed(db, expires_at=end)
    over = end + ACK_GRACE_MS
    # Failed long ago, and yet it can still be delivered: retention begins with its end.
    assert db.run(lambda session: purge_due(session, NOW + 500)).notifications == []

    db.run(lambda session: expire_due(session, over))

    assert stream_of(db, "user-03").total == 0
    assert (row_of(db, one).status, counts(db, one)) == ("failed", {"expired": 15, "failed": 10})
    assert db.run(lambda session: purge_due(session, over)).notifications == []
    assert db.run(lambda session: purge_due(session, over + 1)).notifications == [one.id]
    left = dump(db)
    assert (left["notifications"], left["pages"], left["deliveries"]) == ([], [], [])


def test_one_whose_pages_all_failed_is_purged_like_what_failed_whole(db: Database) -> None:
    one = big(db)
    for number in range(3):
        give_up(db, one, number)
    assert counts(db, one) == {"failed": 25}
    assert row_of(db, one).published_at is None

    assert db.run(lambda session: purge_due(session, NOW)).notifications == []
    assert db.run(lambda session: purge_due(session, NOW + 1)).notifications == [one.id]
    assert dump(db)["pages"] == []


def test_put_back_after_its_end_lives_for_its_whole_ttl_again(db: Database) -> None:
    one = partly_failed(db, expires_at=NOW + 1000)
    later = NOW + 1000 + ACK_GRACE_MS
    db.run(lambda session: expire_due(session, later))

    put_back(db, one, later)

    assert row_of(db, one).expires_at == to_datetime(later + TTL_MS)
    assert deliver(db, one, 1, later + 1) == list(NAMES[10:20])
    assert counts(db, one) == {"expired": 15, "sent": 10}
    # Its second end is noted as well, or it would never be purged.
    db.run(lambda session: expire_due(session, later + TTL_MS + ACK_GRACE_MS))
    assert counts(db, one) == {"expired": 25}


def test_put_back_before_its_end_keeps_the_end_that_others_were_told(db: Database) -> None:
    one = partly_failed(db, expires_at=NOW + 1000)

    put_back(db, one, NOW + 900)

    assert row_of(db, one).expires_at == to_datetime(NOW + 1000)
    assert deliver(db, one, 1, NOW + 950) == list(NAMES[10:20])


def test_nothing_is_put_back_while_its_deliveries_are_being_expired(db: Database) -> None:
    one = partly_failed(db, expires_at=NOW + 1000)
    ending = NOW + 1000 + ACK_GRACE_MS // 2

    assert db.run(lambda session: page_failures.ending(session, one.id, now_ms=ending))
    assert put_back(db, one, ending) == []

    db.run(lambda session: expire_due(session, NOW + 1000 + ACK_GRACE_MS))
    assert not db.run(lambda session: page_failures.ending(session, one.id, now_ms=ending))
    assert put_back(db, one, NOW + 1001 + ACK_GRACE_MS) == [1]


def test_an_erased_user_does_not_disturb_it(db: Database) -> None:
    one = partly_failed(db)
    before = counts(db, one)["failed"]
    db.run(lambda session: erase(session, 1, "user-03", now_ms=NOW))
    assert counts(db, one)["failed"] == before

    put_back(db, one)

    assert deliver(db, one, 1) == list(NAMES[10:20])
    assert row_of(db, one).status == "sent"
    assert "user-03" not in {row[2] for row in dump(db)["users"]}
