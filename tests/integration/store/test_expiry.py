"""What outlives its ttl without an ack."""

from shared.db import Database
from shared.services import inbox
from shared.store.expiry import Expired, expire_due
from shared.store.pages import mark_pages_published, store_page
from shared.store.receipts import ACK_GRACE_MS, apply_acks
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    member,
    store,
    store_and_publish,
    stream_of,
    to_everyone,
)

END = NOW + 1000
OVER = END + ACK_GRACE_MS


def _expire(db: Database, now: int = OVER, limit: int = 500) -> Expired:
    return db.run(lambda session: expire_due(session, now, limit))


def test_pending_ones_expire_and_leave_the_numbers(db: Database) -> None:
    store_and_publish(db, member("ana", "ben", expires_at=END), member("ana"), member("ana", expires_at=END))

    expired = _expire(db)

    told = {(one.app, one.record.user): one.record for one in expired.users}
    assert {key: record.own.total for key, record in told.items()} == {("main", "ana"): 1, ("main", "ben"): 0}
    assert [row.state for row in deliveries_of(db, "ana")] == ["expired", "pending", "expired"]
    row = stream_of(db, "ana")
    assert (row.total, row.unseen, row.unread, row.archived, row.rev) == (1, 1, 1, 0, 2)
    assert [one.rev for one in deliveries_of(db, "ana")] == [2, 1, 2]
    assert told["main", "ana"].rev == 2


def test_it_waits_until_the_end_is_over(db: Database) -> None:
    store_and_publish(db, member("ana", expires_at=END))

    assert _expire(db, OVER - 1) == Expired()
    assert len(_expire(db, OVER).users) == 1


def test_a_second_step_finds_nothing(db: Database) -> None:
    store_and_publish(db, member("ana", expires_at=END), to_everyone(expires_at=END))
    _expire(db)
    before = dump(db)

    assert _expire(db, OVER + 5000) == Expired()
    assert dump(db) == before


def test_delivered_and_marked_ones_stay(db: Database) -> None:
    acked, read = member("ana", expires_at=END), member("ana", expires_at=END)
    store_and_publish(db, acked, read)
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW))
    db.run(lambda session: inbox.mark(session, "main", "ana", "read", [read.id], NOW))

    assert _expire(db).users == []
    assert [row.state for row in deliveries_of(db, "ana")] == ["delivered", "delivered"]
    assert stream_of(db, "ana").total == 2


def test_an_ack_that_comes_in_time_wins_and_one_that_is_late_changes_nothing(db: Database) -> None:
    store_and_publish(db, member("ana", "ben", expires_at=END))

    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], OVER - 1))
    _expire(db)
    db.run(lambda session: apply_acks(session, [("main", "ben", 1, 0)], OVER + 1))

    assert deliveries_of(db, "ana")[0].state == "delivered"
    assert deliveries_of(db, "ben")[0].state == "expired"
    assert stream_of(db, "ben").acked == 1


def test_steps_are_small_and_say_whether_there_is_more(db: Database) -> None:
    names = [f"u{number}" for number in range(7)]
    store_and_publish(db, *(member(*names, expires_at=END) for _ in range(3)))

    steps = 0
    while _expire(db, limit=2).more:
        steps += 1
        assert steps < 40

    assert {row[3] for row in dump(db)["deliveries"]} == {"expired"}
    assert {stream_of(db, name).total for name in names} == {0}


def test_many_that_were_all_delivered_do_not_hide_one_that_was_not(db: Database) -> None:
    store_and_publish(
        db, *(member("ana", expires_at=END - 1) for _ in range(6)), member("ben", expires_at=END)
    )
    db.run(lambda session: apply_acks(session, [("main", "ana", 6, 0)], NOW))

    users = []
    while True:
        step = _expire(db, limit=3)
        users += [one.record.user for one in step.users]
        if not step.more:
            break

    assert users == ["ben"]


def test_what_is_not_wholly_published_waits(db: Database) -> None:
    one = member(*(f"u{number}" for number in range(4)), expires_at=END)
    store(db, one, page_size=2)
    db.run(lambda session: store_page(session, one.id, 0, now_ms=NOW, push_after_s=30))
    db.run(lambda session: mark_pages_published(session, one.id, [0], NOW))
    assert _expire(db) == Expired()

    db.run(lambda session: store_page(session, one.id, 1, now_ms=OVER, push_after_s=30))
    db.run(lambda session: mark_pages_published(session, one.id, [1], OVER))

    assert len(_expire(db).users) == 2
    assert {row[3] for row in dump(db)["deliveries"]} == {"expired"}
