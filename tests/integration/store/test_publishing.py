"""The memory between commit and publish."""

import pytest

from shared.db import Database
from shared.store.epochs import bump_epoch
from shared.store.publishing import (
    FIRST_WAIT_MS,
    Unpublished,
    frames_of,
    mark_published,
    postpone,
    unpublished,
)
from shared.store.rescues import mark_rescued, store_failed
from shared.store.rows import Member, PageRef
from tests.integration.store.support import (
    NOW,
    dump,
    make_id,
    member,
    store,
    store_and_publish,
    to_everyone,
)


def _unpublished(db: Database, older_than: int, limit: int = 10) -> Unpublished:
    with db.session() as session:
        return unpublished(session, older_than_ms=older_than, limit=limit)


def test_marking_is_done_once(db: Database) -> None:
    one, other = member("ana"), to_everyone()
    store(db, one, other)

    assert db.run(lambda session: mark_published(session, [one.id, other.id, one.id], NOW)) == 2
    before = dump(db)
    assert db.run(lambda session: mark_published(session, [one.id, other.id], NOW + 5)) == 0
    assert db.run(lambda session: mark_published(session, [], NOW)) == 0
    assert dump(db) == before
    assert {row[9] for row in before["notifications"]} == {"sent"}


def test_what_waits_too_long_is_found_oldest_first(db: Database) -> None:
    late, published, early = member("ana", id=make_id(3)), member("ana"), to_everyone(id=make_id(9))
    store(db, early, now=NOW)
    store(db, late, now=NOW + 100)
    store_and_publish(db, published)

    assert _unpublished(db, NOW).ids == []
    assert _unpublished(db, NOW + 100).ids == [early.id]
    assert _unpublished(db, NOW + 101).ids == [early.id, late.id]
    assert _unpublished(db, NOW + 101, limit=1).ids == [early.id]


def test_frames_read_back_are_those_that_were_lost(db: Database) -> None:
    group = [member("ana", "ben"), to_everyone("ben"), member("ben")]
    stored = store(db, *group)

    with db.session() as session:
        assert frames_of(session, [one.id for one in group]) == stored.frames
    db.run(lambda session: mark_published(session, stored.publish_ids, NOW))
    with db.session() as session:
        assert frames_of(session, [one.id for one in group]) == []


def test_each_attempt_puts_a_row_off_for_longer(db: Database) -> None:
    one, big = member("ana"), member(*(f"u{number}" for number in range(3)))
    store(db, one, big, page_size=2)
    found = _unpublished(db, NOW + 1)
    assert (found.ids, [page.number for page in found.pages]) == ([one.id], [0, 1])
    now, waits = NOW + FIRST_WAIT_MS, []

    for _ in range(6):
        db.run(lambda session, at=now: postpone(session, found, now_ms=at))
        for seconds in (30, 60, 120, 240, 300):
            if _unpublished(db, now + seconds * 1000 - FIRST_WAIT_MS + 1) == found:
                break
        assert _unpublished(db, now + seconds * 1000 - FIRST_WAIT_MS) == Unpublished([], [])
        waits.append(seconds)
        now += seconds * 1000

    assert waits == [30, 60, 120, 240, 300, 300]


def test_rows_with_different_numbers_of_attempts_are_each_counted_once(db: Database) -> None:
    old, new, big = member("ana"), member("ana"), member(*(f"u{number}" for number in range(4)))
    store(db, old, big, page_size=2)
    mark = NOW + FIRST_WAIT_MS
    db.run(
        lambda session: postpone(session, Unpublished([old.id], [PageRef(big.id, 0, "normal")]), now_ms=mark)
    )
    store(db, new)

    everything = Unpublished([new.id, old.id], [PageRef(big.id, number, "normal") for number in (0, 1)])
    db.run(lambda session: postpone(session, everything, now_ms=mark))

    rows = dump(db)
    assert {row[0]: row[20] for row in rows["notifications"]} == {old.id: 2, new.id: 1, big.id: 0}
    assert {row[1]: row[8] for row in rows["pages"]} == {0: 2, 1: 1}


def test_a_new_epoch_is_in_the_next_frames(db: Database) -> None:
    one = member("ana")
    first = store(db, one).frames[0].epoch

    fresh = db.run(lambda session: bump_epoch(session, "main"))

    assert fresh != first
    assert store(db, one).frames[0].epoch == fresh
    assert db.run(lambda session: bump_epoch(session, "nowhere")) is None


def test_only_what_is_not_published_is_a_rescue_and_only_once(db: Database) -> None:
    one, other = member("ana"), member("ana")
    store(db, one)
    store_and_publish(db, other)

    assert db.run(lambda session: mark_rescued(session, [one.id, other.id], now_ms=NOW)) == 1
    assert db.run(lambda session: mark_rescued(session, [one.id, other.id], now_ms=NOW)) == 0


@pytest.mark.parametrize(
    ("one", "kept"),
    [(member("ana", "ben", "ana", exclude=("ben",)), '["ana"]'), (to_everyone("zoe"), '["zoe"]')],
    ids=["users", "everyone"],
)
def test_a_failed_one_keeps_its_audience_and_is_left_alone(db: Database, one: Member, kept: str) -> None:
    def fail() -> bool:
        return db.run(lambda session: store_failed(session, one, error="broken", attempts=8, now_ms=NOW))

    assert fail() is True
    before = dump(db)
    assert fail() is False

    again = store(db, one)

    assert (again.already, again.frames, again.pages, again.publish_ids) == ([one.id], [], [], [])
    assert dump(db) == before
    assert [row[2] for row in before["pages"]] == [kept]
    assert _unpublished(db, NOW + 10**9) == Unpublished([], [])
    assert (before["notifications"][0][9], before["deliveries"]) == ("failed", [])
