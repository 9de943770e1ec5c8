"""Two transactions that want the same: the second one waits for the first, and only then decides."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from shared.db import Database
from shared.store.groups import store_group
from shared.store.rows import Member, StoredGroup
from tests.integration.store.support import NOW, items, member, store, stream_of, to_everyone


def _store_two_at_once(db: Database, first: Member, second: Member) -> tuple[StoredGroup, list[float]]:
    """Store `second` while the transaction that stored `first` is open; what came of it, and its pauses."""
    pauses: list[float] = []
    other = Database(db.engine.url.render_as_string(hide_password=False), sleep=pauses.append)
    found: list[StoredGroup] = []
    waiting = threading.Thread(target=lambda: found.append(store(other, second)), daemon=True)

    def work(session: Session) -> None:
        store_group(session, [first], now_ms=NOW, push_after_s=30)
        waiting.start()
        waiting.join(0.3)  # given time, it must still be waiting
        assert found == []

    db.run(work)
    waiting.join(10)
    other.close()
    return found[0], pauses


@pytest.mark.parametrize("make", [lambda: member("ana"), to_everyone], ids=["a user", "everyone"])
def test_the_second_takes_the_next_number_at_its_first_attempt(
    db: Database, make: Callable[[], Member]
) -> None:
    store(db, member("ana"), to_everyone())

    stored, pauses = _store_two_at_once(db, make(), make())

    frames = stored.frames[0]
    assert [*(item.seq for item in frames.items), *(one.seq for one in frames.broadcasts)] == [3]
    assert pauses == []


def test_the_second_finds_what_the_first_has_stored(db: Database) -> None:
    one = member("ana", "ben")

    stored, pauses = _store_two_at_once(db, one, one)

    assert (stored.stored_ids, stored.already, stored.publish_ids) == ([], [one.id], [one.id])
    assert {(user, seq) for user, seq, *_ in items(stored)} == {("ana", 1), ("ben", 1)}
    assert stream_of(db, "ana").last_seq == 1
    # MariaDB tells of the first one only by a duplicate key, and the transaction starts over.
    assert len(pauses) == (1 if db.dialect == "mysql" else 0)


def test_both_make_the_same_new_user_once(db: Database) -> None:
    stored, _ = _store_two_at_once(db, member("new"), member("new"))

    assert [(user, seq) for user, seq, *_ in items(stored)] == [("new", 2)]
    assert stream_of(db, "new").last_seq == 2
