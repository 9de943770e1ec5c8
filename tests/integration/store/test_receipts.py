"""Acks: cumulative, clamped, raised and never lowered, and harmless to repeat."""

from shared.db import Database
from shared.store.receipts import ACK_GRACE_MS, apply_acks
from shared.store.users import erase
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    make_app,
    member,
    store,
    stream_of,
    to_everyone,
)

LATER = NOW + 1000


def _ack(db: Database, *acks: tuple[str, str, int, int], now: int = LATER) -> int:
    return db.run(lambda session: apply_acks(session, acks, now_ms=now))


def _states(db: Database, user: str) -> list[str]:
    return [row.state for row in deliveries_of(db, user)]


def test_an_ack_delivers_all_up_to_it_and_nothing_of_others(db: Database) -> None:
    store(db, *(member("ana", "ben") for _ in range(4)))

    assert _ack(db, ("main", "ana", 3, 0)) == 1

    assert _states(db, "ana") == ["delivered"] * 3 + ["pending"]
    assert _states(db, "ben") == ["pending"] * 4
    row = stream_of(db, "ana")
    assert (row.acked, row.rev) == (3, 2)
    assert [(d.rev, d.delivered_at is not None) for d in deliveries_of(db, "ana")] == [(2, True)] * 3 + [
        (1, False)
    ]
    assert (row.total, row.unread) == (4, 4)


def test_the_same_ack_again_changes_nothing(db: Database) -> None:
    store(db, member("ana"), member("ana"), to_everyone())
    _ack(db, ("main", "ana", 2, 1))
    before = dump(db)

    assert _ack(db, ("main", "ana", 2, 1), now=LATER + 5000) == 0
    assert dump(db) == before


def test_an_older_ack_lowers_nothing(db: Database) -> None:
    store(db, member("ana"), member("ana"), to_everyone(), to_everyone())
    _ack(db, ("main", "ana", 2, 1))
    before = dump(db)

    assert _ack(db, ("main", "ana", 1, 0)) == 0
    assert dump(db) == before


def test_an_ack_beyond_the_top_counts_up_to_the_top(db: Database) -> None:
    store(db, member("ana"), to_everyone())

    _ack(db, ("main", "ana", 10**12, 10**12))

    assert (stream_of(db, "ana").acked, stream_of(db, "ana").all_acked) == (1, 1)
    store(db, member("ana"), to_everyone())
    assert _states(db, "ana") == ["delivered", "pending"]


def test_one_stream_moves_without_the_other(db: Database) -> None:
    store(db, member("ana"), member("ana"), to_everyone())
    _ack(db, ("main", "ana", 1, 0))

    assert _ack(db, ("main", "ana", 0, 1)) == 1

    row = stream_of(db, "ana")
    assert (row.acked, row.all_acked, row.rev) == (1, 1, 3)
    assert _states(db, "ana") == ["delivered", "pending"]


def test_several_acks_of_one_user_in_a_batch_count_as_the_highest(db: Database) -> None:
    store(db, *(member("ana") for _ in range(3)), to_everyone())

    assert _ack(db, ("main", "ana", 3, 0), ("main", "ana", 1, 1), ("main", "ana", 2, 0)) == 1

    row = stream_of(db, "ana")
    assert (row.acked, row.all_acked, row.rev) == (3, 1, 2)


def test_unknown_users_and_apps_are_ignored_and_not_made(db: Database) -> None:
    store(db, member("ana"))

    assert _ack(db, ("main", "ghost", 5, 5), ("nowhere", "ana", 1, 1)) == 0
    assert len(dump(db)["users"]) == 1


def test_the_same_name_in_another_app_is_another_user(db: Database) -> None:
    make_app(db, "other")
    store(db, member("ana"), member("ana", app="other"))

    _ack(db, ("other", "ana", 1, 0))

    assert stream_of(db, "ana", "main").acked == 0
    assert stream_of(db, "ana", "other").acked == 1


def test_an_ack_of_an_erased_user_is_ignored(db: Database) -> None:
    store(db, member("ana"))
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))

    assert _ack(db, ("main", "ana", 1, 0)) == 0


def test_what_had_expired_before_the_ack_is_not_delivered_by_it(db: Database) -> None:
    # A client that comes late gets a position for it and acknowledges past it without having shown it.
    store(db, member("ana", expires_at=NOW + 1), member("ana"))

    _ack(db, ("main", "ana", 2, 0), now=NOW + 1 + ACK_GRACE_MS)

    assert _states(db, "ana") == ["pending", "delivered"]
    assert stream_of(db, "ana").acked == 2


def test_many_users_at_once(db: Database) -> None:
    names = [f"u{number}" for number in range(600)]
    store(db, member(*names[:350]), member(*names[350:]))

    assert _ack(db, *(("main", name, 1, 0) for name in names)) == 600
    assert {row[3] for row in dump(db)["deliveries"]} == {"delivered"}
