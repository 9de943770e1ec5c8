"""Taking back what is cancelled: in steps that end whatever dies, beside expiring, purging and erasing."""

from typing import Any

from shared.clock import to_ms
from shared.db import Database
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.store import publishing, retractions
from shared.store.expiry import expire_due
from shared.store.receipts import apply_acks
from shared.store.users import erase
from tests.integration.store.crashes import dying_everywhere
from tests.integration.store.support import DAY_MS, NOW, empty, make_id, member, store, store_and_publish
from tests.integration.store.test_cancellations import (
    LATER,
    cancel,
    cancel_for,
    followed,
    own_counts,
    purged,
    row,
    states,
    store_page,
    take_back,
    told_to,
)


def test_expiring_and_cancelling_do_not_take_from_each_other(db: Database):
    one = member("ana", "ben", expires_at=NOW + 10)
    store_and_publish(db, one)
    cancel(db, one.id, NOW + 5)

    db.run(lambda session: expire_due(session, NOW + DAY_MS))
    assert states(db, "ana") == [(State.PENDING, None)], "that is for whoever takes it back"
    take_back(db, one.id)
    assert states(db, "ana") == [(State.CANCELLED, "retracted")]
    assert own_counts(db, "ana") == (0, 0, 0, 0)


def test_delivered_ones_of_what_is_over_are_taken_back_too(db: Database):
    one = member("ana", "ben", expires_at=NOW + 10)
    store_and_publish(db, one)
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW))
    db.run(lambda session: expire_due(session, NOW + DAY_MS))

    assert cancel(db, one.id, NOW + DAY_MS) == (0, 1)
    take_back(db, one.id, now=NOW + DAY_MS)
    assert states(db, "ana") == [(State.CANCELLED, "retracted")]
    assert states(db, "ben") == [(State.EXPIRED, None)]
    assert own_counts(db, "ana") == own_counts(db, "ben") == (0, 0, 0, 0)


def test_what_began_and_did_not_end_is_found_and_told_once_more(db: Database):
    names = [f"u{number}" for number in range(5)]
    one = member(*names)
    store_and_publish(db, one)
    cancel(db, one.id)
    step = db.run(lambda session: retractions.step(session, one.id, after=0, now_ms=LATER, limit=3))
    assert step is not None and len(step.users) == 3

    def unfinished(before: int) -> list[str]:
        with db.session() as session:
            return retractions.unfinished(session, before_ms=before, limit=9)

    assert unfinished(LATER) == [], "somebody may be at it"
    assert unfinished(LATER + 1) == [one.id]
    told = take_back(db, one.id, limit=3)
    assert told_to(told) == names
    assert unfinished(LATER + DAY_MS) == []
    assert all(own_counts(db, name) == (0, 0, 0, 0) for name in names)


def test_somebody_who_was_erased_is_passed_over(db: Database):
    one = member("ana", "ben")
    store_and_publish(db, one)
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))

    assert cancel(db, one.id) == (0, 1)
    assert told_to(take_back(db, one.id)) == ["ben"]


def test_death_at_any_statement_leaves_what_the_next_run_ends(db: Database):
    names = [f"u{number}" for number in range(4)]
    one, big = member(*names, id=make_id(5)), member(*names, id=make_id(6))

    def prepare() -> None:
        store_and_publish(db, one)
        store(db, big, page_size=3)
        store_page(db, big.id, 0)

    def work() -> Any:
        for id in (one.id, big.id):
            cancel(db, id)
            take_back(db, id, limit=3)
        return [[own_counts(db, name), states(db, name)] for name in names]

    prepare()
    wanted = work()
    assert [counts for counts, _ in wanted] == [(0, 0, 0, 0)] * 4
    empty(db)
    prepare()
    assert dying_everywhere(db, work) == wanted


def test_the_end_of_a_cancelled_one_is_when_all_is_taken_back(db: Database):
    one = member("ana")
    store_and_publish(db, one)
    cancel(db, one.id)
    assert row(db, one.id).expired_at is None
    assert purged(db) == []
    take_back(db, one.id)
    assert to_ms(row(db, one.id).expired_at) == LATER
    assert purged(db) == [one.id]
    assert own_counts(db, "ana") == (0, 0, 0, 0)


def test_for_some_users_of_what_is_not_published_they_are_left_out_when_it_is(db: Database):
    one = member("ana", "ben")
    stored = store(db, one)
    assert cancel_for(db, one.id, "ana").cancelled == 1

    with db.session() as session:
        [frames] = publishing.frames_of(session, [one.id])
    assert [item.user for item in frames.items] == ["ben"]
    assert db.run(lambda session: publishing.mark_published(session, stored.publish_ids, LATER)) == 0
    with db.session() as session:
        assert retractions.late(session, stored.publish_ids) == [one.id]
    again = db.run(lambda session: retractions.told_again(session, one.id, now_ms=LATER))
    assert told_to(again) == ["ana"]
    db.run(lambda session: publishing.mark_late(session, [one.id], LATER))
    assert followed(db, one.id) == (
        Status.SENT,
        {"cancelled": 1, "sent": 1},
        ["accepted", "stored", "published"],
    )
