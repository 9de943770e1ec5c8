"""The log of connections on every database: written in batches, again without change, closed, deleted, erased."""

from dataclasses import replace
from typing import Any

import pytest

from shared.clock import to_datetime
from shared.db import Database
from shared.protocol.visit import Visit
from shared.store import connection_logs, users
from shared.store.connection_logs import ConnectionRow
from tests.integration.store.support import NOW, know, make_app

OPENED = NOW - 60_000


def visit(number: int, user: str = "ana", **changes: object) -> Visit:
    values = {
        "opened_at": OPENED + number,
        "sign_in": "header",
        "dialect": "native",
        "node": "n1",
        "app": "main",
    }
    return Visit(connection=f"n1.{number:x}", user=user, **{**values, **changes})


def closed(one: Visit, *, at: int = NOW, code: int = 1001, reason: str = "going away") -> Visit:
    return replace(one, closed_at=at, code=code, reason=reason)


def write(db: Database, *visits: Visit) -> int:
    return db.run(lambda session: connection_logs.write(session, visits))


def listed(db: Database, user: str = "ana", **options: Any) -> list[ConnectionRow]:
    with db.session() as session:
        row = users.get(session, 1, user)
        return connection_logs.of_user(session, row.id, **options)


@pytest.fixture
def ana(db: Database) -> str:
    know(db, "ana")
    return "ana"


def test_a_connection_opens_and_closes_in_one_row(db, ana):
    assert write(db, visit(1)) == 1
    [row] = listed(db)
    assert (row.closed_at, row.code, row.duration) == (None, None, None)

    write(db, closed(visit(1)))
    write(db, closed(visit(1)), visit(1))

    [row] = listed(db)
    assert row._replace(id=0) == ConnectionRow(
        0, "n1.1", "n1", to_datetime(OPENED + 1), to_datetime(NOW), 1001, "going away", 59_999, "header",
        "native", None,
    )  # fmt: skip


def test_an_end_whose_beginning_was_lost_is_a_whole_row_and_a_late_beginning_changes_nothing(db, ana):
    write(db, closed(visit(1, address="192.0.2.1")))
    write(db, visit(1))

    [row] = listed(db)
    assert (row.code, row.address, row.opened_at) == (1001, "192.0.2.1", to_datetime(OPENED + 1))


def test_unknown_and_erased_users_and_apps_are_left_out(db, ana):
    know(db, "gone")
    db.run(lambda session: users.erase(session, 1, "gone", now_ms=NOW))

    assert write(db, visit(1, "nobody"), visit(2, "gone"), visit(3, app="ghost"), visit(4)) == 1

    with db.session() as session:
        assert users.get(session, 1, "gone") is None
        assert users.get(session, 1, "nobody") is None
    assert [row.connection for row in listed(db)] == ["n1.4"]


def test_users_of_the_same_name_in_two_apps_are_two(db, ana):
    make_app(db, "shop")
    write(db, visit(1, app="shop"), visit(2))

    assert [row.connection for row in listed(db)] == ["n1.2"]


def test_what_clients_say_never_stops_the_log(db, ana):
    strange = closed(visit(1), reason="ü\x00" * 200)

    write(db, replace(strange, sign_in="s" * 99, dialect="d" * 99, address="a" * 99), closed(visit(2)))

    first, second = listed(db)[::-1]
    assert first.reason == "ü" * 123
    assert second.connection == "n1.2"


def test_pages_go_from_the_newest_to_the_oldest(db, ana):
    write(db, *(visit(n) for n in range(1, 6)))

    first = listed(db, limit=3)
    second = listed(db, before=first[-1].place, limit=3)

    assert [row.connection for row in first + second] == ["n1.5", "n1.4", "n1.3", "n1.2", "n1.1"]


def test_connections_of_a_dead_node_are_closed_once_and_a_true_end_is_written_over_that(db, ana):
    write(db, visit(1), visit(2), closed(visit(3)), visit(4, node="n2"))
    with db.session() as session:
        assert sorted(connection_logs.open_nodes(session)) == ["n1", "n2"]

    count = db.run(lambda session: connection_logs.close_for_dead(session, ["n1"], now_ms=NOW + 5))

    assert count == 2
    assert [row.code for row in listed(db)[::-1]] == [1006, 1006, 1001, None]
    assert listed(db)[-1].duration == 60_004
    assert db.run(lambda session: connection_logs.close_for_dead(session, ["n1"], now_ms=NOW)) == 0
    write(db, closed(visit(1), code=4012, reason="away"))
    assert (listed(db)[-1].code, listed(db)[-1].reason) == (4012, "away")


def test_the_purge_deletes_what_closed_long_ago(db, ana, monkeypatch):
    monkeypatch.setattr(connection_logs, "STEP", 2)
    write(db, *(closed(visit(n), at=NOW - 1000) for n in range(3)), closed(visit(8)), visit(9))

    with db.session() as session:
        assert connection_logs.any_old(session, NOW)
    parts = [db.run(lambda session: connection_logs.purge(session, NOW)) for _ in range(3)]

    assert parts == [2, 1, 0]
    assert [row.connection for row in listed(db)] == ["n1.9", "n1.8"]
    with db.session() as session:
        assert not connection_logs.any_old(session, NOW)


def test_erasing_a_user_erases_the_connections(db, ana):
    know(db, "ben")
    write(db, visit(1), visit(2, "ben"))

    db.run(lambda session: users.erase(session, 1, "ana", now_ms=NOW))

    know(db, "ana")
    assert listed(db) == []
    assert len(listed(db, "ben")) == 1
