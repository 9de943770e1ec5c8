"""Notifications to everyone: one row, one number, whatever the number of users."""

from sqlalchemy import select

from shared.db import Database
from shared.models import tables as t
from shared.protocol.envelope import Counts
from shared.services import inbox
from shared.store.replay import read_frames
from shared.store.users import erase
from tests.integration.store.support import NOW, dump, member, store, store_and_publish, to_everyone


def _counts(db: Database, user: str) -> Counts:
    with db.session() as session:
        return inbox.counts_of(session, "main", user, NOW)


def test_numbers_follow_the_group_and_start_at_one(db: Database) -> None:
    stored = store(db, to_everyone(), member("ana"), to_everyone("ana"))

    frames = stored.frames[0]
    assert [(one.seq, one.prev) for one in frames.broadcasts] == [(1, 0), (2, 1)]
    assert [one.excluded for one in frames.broadcasts] == [(), ("ana",)]
    assert len(stored.publish_ids) == 3
    assert len(dump(db)["deliveries"]) == 1
    with db.session() as session:
        assert session.scalar(select(t.apps.c.all_seq)) == 2


def test_an_excluded_user_sees_only_a_position_and_counts_nothing(db: Database) -> None:
    store(db, member("ana", "ben"))
    store_and_publish(db, to_everyone("ana", "cleo"), to_everyone())

    assert _counts(db, "ana") == Counts(2, 2, 2, 0)
    assert _counts(db, "ben") == Counts(3, 3, 3, 0)
    with db.session() as session:
        replay = read_frames(session, "main", "ana", 0, 0, now_ms=NOW)
    assert [(frame.seq, frame.prev, bool(frame.fragment)) for frame in replay.all] == [
        (1, 0, False),
        (2, 1, True),
    ]


def test_a_name_excluded_before_it_was_ever_seen_stays_excluded(db: Database) -> None:
    store_and_publish(db, to_everyone("later"))

    assert _counts(db, "later") == Counts()
    assert _counts(db, "somebody-new") == Counts(1, 1, 1, 0)


def test_exclusion_tells_ids_apart_that_contain_each_other(db: Database) -> None:
    names = [f"u{number}" for number in range(30)]
    store(db, member(*names))
    excluded = names[::3]
    store_and_publish(db, to_everyone(*excluded), to_everyone(excluded[0]), to_everyone(*excluded[:2]))

    wanted = {name: 3 - (name in excluded) - (name == excluded[0]) - (name in excluded[:2]) for name in names}

    assert {name: _counts(db, name).total - 1 for name in names} == wanted


def test_excluded_names_are_read_back_as_they_were_sent_but_for_the_erased(db: Database) -> None:
    one = to_everyone("ben", "ana", "ben", "cleo")
    first = store(db, one)

    assert store(db, one).frames == first.frames
    assert sorted(first.frames[0].broadcasts[0].excluded) == ["ana", "ben", "cleo"]

    db.run(lambda session: erase(session, 1, "ben", now_ms=NOW))
    assert sorted(store(db, one).frames[0].broadcasts[0].excluded) == ["ana", "cleo"]
