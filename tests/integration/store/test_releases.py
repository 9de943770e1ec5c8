"""Deliveries that a frequency cap holds or drops, and how held ones are released: once, in order, with a number."""

import orjson
import pytest
from sqlalchemy import select

from shared.clock import to_datetime
from shared.db import Database
from shared.models import tables as t
from shared.store import releases, users
from shared.store.releases import Pair
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    items,
    member,
    store,
    store_and_publish,
    stream_of,
    to_everyone,
)
from tests.integration.store.times import cap, check_numbers, release, row_of

HOUR_S = 3600
HALF = HOUR_S * 1000 // 2
"""Of two an hour one comes free each half hour."""


def test_what_is_over_a_cap_that_drops_is_skipped_and_says_so(db: Database) -> None:
    cap(db, 2, HOUR_S, "drop", id="hourly")

    ones = [member("ana"), member("ana", "ben"), member("ana")]
    for one in ones:
        store_and_publish(db, one)

    assert [(row.state, row.reason, row.seq) for row in deliveries_of(db, "ana")] == [
        ("pending", None, 1),
        ("pending", None, 2),
        ("skipped", "frequency_cap:hourly", None),
    ]
    assert [row.state for row in deliveries_of(db, "ben")] == ["pending"]
    check_numbers(db, "ana", "ben")


def test_in_one_group_each_counts(db: Database) -> None:
    cap(db, 2, HOUR_S, "drop")

    store(db, *(member("ana") for _ in range(4)))

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "pending", "skipped", "skipped"]


def test_a_cap_of_one_event_leaves_others_alone(db: Database) -> None:
    cap(db, 1, HOUR_S, "drop", event="like")

    store(db, member("ana", event="like"), member("ana", event="like"), member("ana", event="paid"))

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "pending", "skipped"]


def test_what_is_critical_passes_and_takes_nothing(db: Database) -> None:
    cap(db, 1, HOUR_S, "drop")

    store(db, *(member("ana", priority="critical") for _ in range(3)), member("ana"))

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending"] * 4


def test_everyone_is_not_capped(db: Database) -> None:
    cap(db, 1, HOUR_S, "drop")

    stored = store(db, to_everyone(), to_everyone())

    assert [len(frames.broadcasts) for frames in stored.frames] == [2]


def test_a_page_is_capped_too(db: Database) -> None:
    cap(db, 1, HOUR_S, "drop")
    names = [f"u{n}" for n in range(30)]
    store_and_publish(db, member(*names), page_size=10)

    store_and_publish(db, member(*names), page_size=10)

    for name in names:
        assert [row.state for row in deliveries_of(db, name)] == ["pending", "skipped"]


def test_a_second_run_of_the_same_group_takes_nothing_more(db: Database) -> None:
    cap(db, 2, HOUR_S, "hold")
    ones = [member("ana") for _ in range(3)]
    store_and_publish(db, *ones)
    before = dump(db)

    store_and_publish(db, *ones)

    assert dump(db) == before


def test_held_ones_come_one_by_one_in_their_order(db: Database) -> None:
    cap(db, 2, HOUR_S, "hold", id="slow")
    ones = [member("ana", data_json=f'{{"n":{n}}}') for n in range(5)]
    store_and_publish(db, *ones)
    held = [row for row in deliveries_of(db, "ana") if row.state == "held"]
    assert [row.reason for row in held] == ["frequency_cap:slow"] * 3
    assert all(row.seq is None and row.push_due_at is None for row in held)
    assert stream_of(db, "ana").total == 2

    came = []
    for step in range(1, 5):
        for frames in release(db, NOW + step * HALF).frames:
            came += [orjson.loads("{" + frames.bodies[i.body].fragment)["data"]["n"] for i in frames.items]
            assert [item.seq for item in frames.items] == [2 + step]

    assert came == [2, 3, 4]
    check_numbers(db, "ana")
    assert all(row.state == "pending" and row.released_at for row in deliveries_of(db, "ana")[2:])


def test_what_would_be_held_past_its_end_is_skipped(db: Database) -> None:
    cap(db, 1, HOUR_S, "hold")

    store(db, member("ana"), member("ana", expires_at=NOW + 60_000))

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "skipped"]


def test_a_release_that_was_not_published_is_published_again_as_the_same_bytes(db: Database) -> None:
    cap(db, 1, HOUR_S, "hold")
    store_and_publish(db, member("ana"), member("ana"), member("ben"), member("ben"))
    now = NOW + 2 * HALF

    lost = release(db, now, published=False)

    assert {user for frames in lost.frames for user in frames.records} == {"ana", "ben"}
    with db.session() as session:
        assert not releases.stale(session, now_ms=now + 14_999).pairs
        again = releases.stale(session, now_ms=now + 15_000)
        assert releases.any_due(session, now + 15_000)
    assert again.frames == lost.frames
    assert sorted(again.pairs) == sorted(lost.pairs)
    db.run(lambda session: releases.mark_published(session, again.pairs))
    with db.session() as session:
        assert not releases.any_due(session, now + 60_000)


def test_a_second_release_changes_nothing(db: Database) -> None:
    cap(db, 1, HOUR_S, "hold")
    store_and_publish(db, member("ana"), member("ana"))
    release(db, NOW + 2 * HALF)
    before = dump(db)

    assert not release(db, NOW + 2 * HALF).pairs
    assert dump(db) == before


def test_many_are_released_in_steps(db: Database) -> None:
    cap(db, 1, HOUR_S, "hold")
    names = [f"u{n}" for n in range(12)]
    store_and_publish(db, member(*names), member(*names))

    steps = []
    while (found := release(db, NOW + 2 * HALF, limit=5)).pairs:
        steps.append((len(found.pairs), found.more))

    assert steps == [(5, True), (5, True), (2, False)]
    check_numbers(db, *names)


def test_whoever_is_erased_gets_nothing_any_more(db: Database) -> None:
    cap(db, 1, HOUR_S, "hold")
    store_and_publish(db, member("ana"), member("ana"))
    db.run(lambda session: users.erase(session, 1, "ana", now_ms=NOW))

    assert not release(db, NOW + 2 * HALF).pairs


def test_a_released_one_does_not_hide_what_else_is_not_published(db: Database) -> None:
    """The notification itself is unpublished while one of its deliveries is held: both are published by somebody."""
    cap(db, 1, HOUR_S, "hold")
    store_and_publish(db, member("ana"))
    two = member("ana", "ben")
    stored = store(db, two)

    assert [user for user, *_ in items(stored)] == ["ben"]
    [released] = release(db, NOW + 2 * HALF, published=False).pairs
    assert isinstance(released, Pair)
    again = store(db, two)
    assert [user for user, *_ in items(again)] == ["ben"]
    assert row_of(db, two.id).status == "sending"


def hold(db: Database, *whose: tuple[str, str, int], reason: str = "local_time") -> None:
    """Hold these (notification, user) until an instant."""
    for id, user, until in whose:
        own = select(t.users.c.id).where(t.users.c.name == user).scalar_subquery()
        row = (t.deliveries.c.notification_id == id) & (t.deliveries.c.user_id == own)
        held = {"state": "held", "reason": reason, "seq": None, "held_until": to_datetime(until)}
        db.run(lambda s, row=row, held=held: s.execute(t.deliveries.update().where(row).values(held)))


def _held_rows(db: Database, *ones, until: int) -> None:
    """Stored as held from the first: nobody has a number yet."""
    cap(db, 1, 3600, "hold", event="never")
    for one in ones:
        store_and_publish(db, one)
    for table, zero in ((t.streams, {"last_seq": 0, "total": 0, "unread": 0, "unseen": 0}),):
        db.run(lambda s, table=table, zero=zero: s.execute(table.update().values(zero)))
    for one in ones:
        hold(db, *((one.id, user, until) for user in one.users))


def test_each_user_gets_them_in_their_own_order_whoever_else_waits(db: Database) -> None:
    a, b = member("ana"), member("ana", "ben")
    _held_rows(db, a, b, until=NOW + 2000)
    hold(db, (b.id, "ben", NOW + 1000))

    release(db, NOW + 5000)

    assert [row.notification_id for row in deliveries_of(db, "ana")] == [a.id, b.id]
    check_numbers(db, "ana", "ben")


def test_one_notification_may_be_held_for_different_reasons(db: Database) -> None:
    one = member("ana", "ben", collapse_key="k")
    _held_rows(db, one, until=NOW + 1000)
    hold(db, (one.id, "ben", NOW + 1000), reason="frequency_cap:c")
    cap(db, 1, 3600, "drop")
    store_and_publish(db, member("ana"))

    release(db, NOW + 5000)

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "skipped"]
    assert [row.state for row in deliveries_of(db, "ben")] == ["pending"]


def test_one_that_cannot_be_released_is_put_off(db: Database) -> None:
    one, two = member("ana"), member("ben")
    _held_rows(db, one, two, until=NOW + 2000)
    hold(db, (one.id, "ana", NOW + 1000))

    db.run(lambda session: releases.put_off(session, now_ms=NOW + 5000, until_ms=NOW + 60_000))

    assert [pair.notification_id for pair in release(db, NOW + 5000).pairs] == [two.id]
    assert [pair.notification_id for pair in release(db, NOW + 60_000).pairs] == [one.id]


@pytest.mark.parametrize("action", ["drop", "hold"])
def test_a_cap_that_is_taken_away_holds_for_nobody_new(db: Database, action: str) -> None:
    cap(db, 1, HOUR_S, action)
    store(db, member("ana"))
    cap(db, 100, HOUR_S, action)

    store(db, member("ana"))

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "pending"]
