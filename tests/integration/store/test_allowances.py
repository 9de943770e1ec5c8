"""What users have taken of their app's caps: kept, changed, purged, erased; and the caps on the app's row."""

from collections.abc import Sequence

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.db import Database
from shared.domain.caps import Action, Cap, make
from shared.models import tables as t
from shared.store import allowances, apps, users
from tests.integration.store.support import NOW, member, store

ONE, TWO = "0123456789abcdef", "fedcba9876543210"
TAT = NOW * 1000 + 7


def write(db: Database, changes: dict[tuple[int, str], int]) -> None:
    db.run(lambda session: allowances.write(session, changes))


def read(db: Database, user_ids: list[int], keys: list[str]) -> dict[tuple[int, str], int]:
    with db.session() as session:
        return allowances.read(session, user_ids, keys)


def test_what_was_written_is_read_and_what_was_not_is_absent(db: Database) -> None:
    write(db, {(2, ONE): TAT, (1, TWO): TAT + 1, (1, ONE): TAT + 2})
    assert read(db, [1, 2, 3], [ONE]) == {(1, ONE): TAT + 2, (2, ONE): TAT}

    write(db, {(1, ONE): TAT + 9, (3, ONE): TAT})
    assert read(db, [1, 2, 3], [ONE, TWO]) == {
        (1, ONE): TAT + 9,
        (1, TWO): TAT + 1,
        (2, ONE): TAT,
        (3, ONE): TAT,
    }
    assert read(db, [], [ONE]) == read(db, [1], []) == {}


def test_a_page_of_a_thousand_users(db: Database) -> None:
    many = {(user, key): TAT + user for user in range(1, 1001) for key in (ONE, TWO)}
    write(db, many)
    write(db, many)
    assert read(db, list(range(1, 1001)), [ONE, TWO]) == many


def test_the_purge_takes_what_is_past_in_steps(db: Database) -> None:
    write(db, {(user, ONE): TAT + user * 1_000_000 for user in range(1, 701)})

    steps = [db.run(lambda session: allowances.purge(session, NOW + 601_000)) for _ in range(3)]

    assert steps == [500, 100, 0]
    assert sorted(read(db, list(range(1, 701)), [ONE])) == [(user, ONE) for user in range(601, 701)]


def test_the_purge_leaves_alone_what_a_worker_writes(db: Database) -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time: nobody can write in between")
    write(db, {(1, ONE): TAT, (2, ONE): TAT})
    with db.engine.begin() as worker:
        worker.execute(update(t.allowances).where(t.allowances.c.user_id == 1).values(tat=TAT + 10**9))
        assert db.run(lambda session: allowances.purge(session, NOW + 1000)) == 1
    assert read(db, [1, 2], [ONE]) == {(1, ONE): TAT + 10**9}


def test_an_erased_user_leaves_none(db: Database) -> None:
    store(db, member("ana"), member("bob"))
    with db.session() as session:
        ana, bob = session.scalars(select(t.users.c.id).order_by(t.users.c.name))
    write(db, {(ana, ONE): TAT, (bob, ONE): TAT})
    db.run(lambda session: users.erase(session, 1, "ana", now_ms=NOW))
    with db.session() as session:
        assert session.scalar(select(func.count()).select_from(t.allowances)) == 1


def test_caps_on_the_row_of_their_app(db: Database) -> None:
    caps = (make("day", None, 5, 86_400, Action.DROP), make("paid", "order.paid", 1, 60, Action.HOLD))

    def put(new: Sequence[Cap]) -> None:
        def change(session: Session) -> None:
            apps.put_caps(session, apps.lock(session, [1])[1].id, new)

        db.run(change)

    put(caps)
    with db.session() as session:
        assert apps.require(session, "main").caps == caps
        assert apps.by_id(session, [1])[1].caps == caps
    put(())
    with db.session() as session:
        assert apps.require(session, "main").caps == ()
        assert session.scalar(select(t.apps.c.caps)) is None
