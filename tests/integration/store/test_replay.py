"""What a client missed: without a hole, or not at all."""

import orjson
import pytest
from sqlalchemy.orm import Session

from shared.db import Database
from shared.protocol.envelope import Counts, Record, TailFrame
from shared.services.inbox import mark
from shared.store import apps
from shared.store.receipts import apply_acks
from shared.store.replay import NEWEST, Replay, read_frames
from shared.store.streams import read_records
from shared.store.users import erase
from tests.integration.store.support import (
    NOW,
    dump,
    make_app,
    member,
    store,
    store_and_publish,
    stream_of,
    to_everyone,
)


def _read(
    db: Database,
    user: str,
    me: int | None,
    all: int | None,
    *,
    now: int = NOW,
    limit: int = 1000,
    app: str = "main",
) -> Replay:
    with db.session() as session:
        return read_frames(session, app, user, me, all, limit=limit, now_ms=now)


def _shape(frames: list[TailFrame]) -> list[tuple[int, int, str]]:
    """(prev, seq, event or empty)."""
    return [
        (frame.prev, frame.seq, orjson.loads(b"{" + frame.fragment)["event"] if frame.fragment else "")
        for frame in frames
    ]


def test_frames_after_a_position_are_those_that_were_published(db: Database) -> None:
    stored = [store(db, member("ana", event=f"e{number}")) for number in range(4)]

    replay = _read(db, "ana", 1, 0)

    assert _shape(replay.me) == [(1, 2, "e1"), (2, 3, "e2"), (3, 4, "e3")]
    assert [frame.fragment.decode() for frame in replay.me] == [
        s.frames[0].bodies[0].fragment for s in stored[1:]
    ]
    assert [frame.expires_at for frame in replay.me] == [s.frames[0].bodies[0].expires_at for s in stored[1:]]
    assert (replay.me_top, replay.all_top, replay.complete) == (4, 0, True)


def test_without_a_position_it_starts_at_what_no_device_has_acknowledged(db: Database) -> None:
    store(db, *(member("ana", event=f"e{number}") for number in range(4)))
    db.run(lambda session: apply_acks(session, [("main", "ana", 2, 0)], NOW))

    assert _shape(_read(db, "ana", None, None).me) == [(2, 3, "e2"), (3, 4, "e3")]


def test_expired_places_are_positions_and_leave_no_hole(db: Database) -> None:
    soon = {"expires_at": NOW + 10}
    store(
        db,
        member("ana", event="e1", **soon),
        member("ana", event="e2"),
        member("ana", event="e3", **soon),
        member("ana", event="e4", **soon),
        member("ana", event="e5"),
        member("ana", event="e6", **soon),
        to_everyone(event="a1", **soon),
        to_everyone(event="a2"),
        to_everyone(event="a3", **soon),
    )

    replay = _read(db, "ana", 0, 0, now=NOW + 10)

    assert _shape(replay.me) == [(0, 1, ""), (1, 2, "e2"), (2, 4, ""), (4, 5, "e5"), (5, 6, "")]
    assert _shape(replay.all) == [(0, 1, ""), (1, 2, "a2"), (2, 3, "")]


def test_nothing_missed_is_an_empty_and_complete_answer(db: Database) -> None:
    store(db, member("ana"), to_everyone())

    replay = _read(db, "ana", 1, 1)

    assert (replay.me, replay.all, replay.complete) == ([], [], True)


def test_more_than_the_limit_is_no_answer_at_all(db: Database) -> None:
    store(db, *(member("ana") for _ in range(4)), to_everyone(), to_everyone())

    assert _read(db, "ana", 0, 0, limit=6).complete is True
    replay = _read(db, "ana", 0, 0, limit=5)
    assert (replay.complete, replay.me, replay.all, replay.me_top, replay.all_top) == (False, [], [], 4, 2)


def test_expired_ones_do_not_count_towards_the_limit(db: Database) -> None:
    store(db, *(member("ana", expires_at=NOW + 1) for _ in range(10)), member("ana", event="left"))

    assert _shape(_read(db, "ana", 0, 0, now=NOW + 1, limit=1).me) == [(0, 10, ""), (10, 11, "left")]


@pytest.mark.parametrize(("me", "all"), [(3, 0), (0, 2)])
def test_a_position_above_the_top_cannot_be_answered(db: Database, me: int, all: int) -> None:
    store(db, member("ana"), member("ana"), to_everyone())

    assert _read(db, "ana", me, all).complete is False


def test_of_all_a_new_client_gets_the_newest_alive_ones(db: Database) -> None:
    dead, alive = 3, NEWEST + 2
    store(db, *(to_everyone(expires_at=NOW + 1) for _ in range(dead)))
    store(db, *(to_everyone(event=f"e{number}") for number in range(alive)))
    store(db, to_everyone(expires_at=NOW + 1))

    frames = _shape(_read(db, "new", None, None, now=NOW + 1).all)

    top = dead + alive + 1
    assert len(frames) == NEWEST + 1
    assert frames[0] == (dead + 2, dead + 3, "e2")
    assert frames[-1] == (top - 1, top, "")


def test_of_all_a_client_without_position_gets_what_the_user_has_not_acknowledged(db: Database) -> None:
    store(db, member("ana"), *(to_everyone(event=f"e{number}") for number in range(4)))
    db.run(lambda session: apply_acks(session, [("main", "ana", 0, 3)], NOW))

    assert _shape(_read(db, "ana", None, None).all) == [(3, 4, "e3")]
    assert len(_read(db, "ana", None, 0).all) == 4


def test_a_user_nobody_knows_gets_what_went_to_everyone_and_is_not_made(db: Database) -> None:
    store(db, to_everyone(event="hello"))

    replay = _read(db, "stranger", None, None)

    assert (_shape(replay.all), replay.me, replay.me_top) == ([(0, 1, "hello")], [], 0)
    assert dump(db)["users"] == []


def test_a_foreign_app_sees_nothing(db: Database) -> None:
    make_app(db, "other")
    store(db, member("ana"), to_everyone())

    replay = _read(db, "ana", None, None, app="other")

    assert (replay.me, replay.all, replay.me_top, replay.all_top) == ([], [], 0, 0)
    assert _read(db, "ana", 0, 0, app="nowhere").complete is False


def test_places_of_an_erased_user_become_a_position(db: Database) -> None:
    store(db, member("ana", event="old"), member("ana", event="old"))
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))
    store(db, member("ana", event="new"))

    assert _shape(_read(db, "ana", 0, 0).me) == [(0, 2, ""), (2, 3, "new")]
    assert _shape(_read(db, "ana", None, None).me) == [(2, 3, "new")]


def test_a_record_makes_the_user_and_counts_what_went_to_everyone(db: Database) -> None:
    store_and_publish(db, to_everyone(), to_everyone("ana"), to_everyone())

    def read(session: Session) -> dict[str, Record]:
        found = read_records(session, apps.require(session, "main"), ["ana", "new"], now_ms=NOW)
        return {record.user: record for record in found}

    records = db.run(read)

    ana = records["ana"]
    assert (ana.top, ana.rev, ana.everyone, ana.everyone_at) == (0, 0, Counts(2, 2, 2, 0), 3)
    assert records["new"].everyone == Counts(3, 3, 3, 0)
    assert stream_of(db, "new").last_seq == 0


def test_many_users_are_counted_as_each_by_itself(db: Database) -> None:
    sent = [to_everyone("ana", "cy"), to_everyone(), to_everyone("ben"), to_everyone()]
    store_and_publish(db, *sent)
    ids = [one.id for one in sent]
    for user, action, which in [
        ("ana", "read", ids[1:3]),
        ("ben", "archive", ids[:2]),
        ("cy", "seen", [ids[3]]),
    ]:
        db.run(
            lambda session, user=user, action=action, which=which: mark(
                session, "main", user, action, which, NOW
            )
        )

    def counted(*users: str) -> dict[str, Counts | None]:
        def read(session: Session) -> list[Record]:
            return read_records(session, apps.require(session, "main"), users, now_ms=NOW)

        return {record.user: record.everyone for record in db.run(read)}

    together = counted("ana", "ben", "cy", "dan")

    assert together == counted("ana") | counted("ben") | counted("cy") | counted("dan")
    assert together == {
        "ana": Counts(3, 1, 1, 0), "ben": Counts(3, 1, 1, 2), "cy": Counts(3, 2, 3, 0), "dan": Counts(4, 4, 4, 0)
    }  # fmt: skip
