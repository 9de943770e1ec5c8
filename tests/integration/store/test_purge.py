"""What is over for longer than the retention goes, in small steps; numbers and positions stay right."""

from typing import Any

import pytest
from sqlalchemy import select

from shared.db import Database
from shared.models import tables as t
from shared.services import inbox
from shared.services.inbox import Filter
from shared.store import apps, purge, rescues
from shared.store.expiry import expire_due
from shared.store.purge import Purged, anything_due, purge_due
from shared.store.receipts import apply_acks
from shared.store.replay import read_frames
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    member,
    store_and_publish,
    stream_of,
    to_everyone,
)

END = NOW + 1000
OVER = END + 10_000
LATER = OVER + 1


def over(db: Database) -> None:
    """Let what is past its end be noted as such."""
    while db.run(lambda session: expire_due(session, OVER)).more:
        pass


def purge_all(db: Database, before: int = LATER, **options: Any) -> list[Purged]:
    steps = []
    while not steps or steps[-1].more:
        steps.append(db.run(lambda session: purge_due(session, before, **options)))
    return steps


def mark(db: Database, user: str, action: str, *ids: str) -> None:
    db.run(lambda session: inbox.mark(session, "main", user, action, list(ids), NOW))


def numbers(db: Database, user: str) -> tuple[int, ...]:
    row = stream_of(db, user)
    return row.total, row.unseen, row.unread, row.archived


def listed(db: Database, user: str) -> set[tuple[str, str]]:
    """What the inbox really holds, by state, to hold the numbers against."""
    with db.session() as session:
        return {
            (state, item["id"])
            for state in ("unread", "read", "archived")
            for item in inbox.page(session, "main", user, inbox.Listing(state=state, limit=100), NOW).items
        }


def test_read_unread_and_archived_ones_go_and_the_numbers_stay_right(db: Database) -> None:
    old = [member("ana", "ben", expires_at=END) for _ in range(6)]
    new = [member("ana"), member("ana"), member("ana")]
    store_and_publish(db, *old, *new)
    db.run(lambda session: apply_acks(session, [("main", "ana", 4, 0)], NOW))
    mark(db, "ana", "seen", old[0].id, new[0].id)
    mark(db, "ana", "read", old[1].id)
    mark(db, "ana", "archive", old[2].id, new[1].id)
    over(db)
    assert numbers(db, "ana") == (7, 2, 4, 2)

    [step] = purge_all(db)

    assert sorted(step.notifications) == sorted(one.id for one in old)
    assert step.deliveries == 12
    assert numbers(db, "ana") == (3, 1, 2, 1)
    assert listed(db, "ana") == {("unread", new[0].id), ("unread", new[2].id), ("archived", new[1].id)}
    # Ben acknowledged nothing: all of his had expired and were out of the numbers already.
    assert numbers(db, "ben") == (0, 0, 0, 0)
    told = {one.record.user: one.record for one in step.users}
    row = stream_of(db, "ana")
    assert list(told) == ["ana"]
    assert (told["ana"].own.total, told["ana"].own.archived, told["ana"].rev) == (3, 1, row.rev)


def test_streams_and_their_last_numbers_are_never_deleted(db: Database) -> None:
    store_and_publish(db, member("ana", expires_at=END), to_everyone("ben", expires_at=END))
    over(db)

    purge_all(db)

    left = dump(db)
    assert (left["notifications"], left["deliveries"], left["pages"]) == ([], [], [])
    assert stream_of(db, "ana").last_seq == 1
    with db.session() as session:
        assert apps.require(session, "main").all_seq == 1
    store_and_publish(db, member("ana"), to_everyone())
    assert [row.seq for row in deliveries_of(db, "ana")] == [2]


def test_a_replay_over_purged_places_has_no_hole(db: Database) -> None:
    gone = {"expires_at": END}
    store_and_publish(db, member("ana", **gone), keep := member("ana"), member("ana", **gone))
    store_and_publish(db, to_everyone(**gone), to_everyone(), to_everyone(**gone))
    over(db)
    purge_all(db)

    with db.session() as session:
        replay = read_frames(session, "main", "ana", 0, 0, now_ms=NOW)

    assert replay.complete
    for frames, top in ((replay.me, 3), (replay.all, 3)):
        assert [(frame.prev, frame.seq) for frame in frames] == [(0, 1), (1, 2), (2, top)]
        assert [bool(frame.fragment) for frame in frames] == [False, True, False]
    assert keep.id.encode() in replay.me[1].fragment


def test_what_is_not_over_or_not_for_long_enough_stays(db: Database) -> None:
    store_and_publish(db, member("ana", expires_at=END), member("ana"), to_everyone())
    before = dump(db)
    assert purge_all(db) == [Purged()]
    assert dump(db) == before

    over(db)
    with db.session() as session:
        assert not anything_due(session, OVER)
        assert anything_due(session, LATER)
    assert purge_all(db, before=OVER) == [Purged()]


@pytest.mark.parametrize("blank", [False, True])
def test_failed_ones_go_after_the_same_time_and_retried_ones_do_not(db: Database, blank: bool) -> None:
    failed, young = member("ana", "ben"), member("ana")
    for one, at in ((failed, OVER), (young, LATER)):
        db.run(
            lambda session, one=one, at=at: rescues.store_failed(
                session, one, error="x", attempts=1, now_ms=at, blank=blank
            )
        )

    [step] = purge_all(db)

    assert step.notifications == [failed.id]
    with db.session() as session:
        assert list(session.scalars(select(t.notifications.c.id))) == [young.id]
        assert set(session.scalars(select(t.pages.c.notification_id))) <= {young.id}


def test_a_big_audience_goes_in_small_steps_and_leaves_with_its_pages(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "DELIVERIES", 10)
    store_and_publish(db, member(*(f"u{n}" for n in range(35)), expires_at=END), page_size=10)
    db.run(lambda session: apply_acks(session, [("main", f"u{n}", 1, 0) for n in range(35)], NOW))
    over(db)
    assert numbers(db, "u7") == (1, 1, 1, 0)

    steps = purge_all(db)

    assert [step.deliveries for step in steps] == [10, 10, 10, 5]
    assert [len(step.notifications) for step in steps] == [0, 0, 0, 1]
    assert {numbers(db, f"u{n}") for n in range(35)} == {(0, 0, 0, 0)}
    assert dump(db)["pages"] == []


def test_many_are_taken_in_portions(db: Database) -> None:
    store_and_publish(db, *(member("ana", expires_at=END) for _ in range(5)))
    over(db)

    assert [len(step.notifications) for step in purge_all(db, notifications=2)] == [2, 2, 1]


def test_marks_of_a_notification_to_everyone_go_with_it_and_count_for_nothing(db: Database) -> None:
    store_and_publish(db, all := to_everyone(expires_at=END), member("ana"))
    mark(db, "ana", "archive", all.id)
    over(db)
    before = numbers(db, "ana")

    purge_all(db)

    assert numbers(db, "ana") == before == (1, 1, 1, 0)
    assert [row.seq for row in deliveries_of(db, "ana")] == [1]


def test_a_filter_finds_nothing_of_what_is_gone(db: Database) -> None:
    store_and_publish(db, member("ana", expires_at=END))
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW))
    over(db)
    purge_all(db)

    done = db.run(lambda session: inbox.mark(session, "main", "ana", "read", Filter(), NOW))

    assert done.changed_ids == []
    assert done.counts.total == 0
