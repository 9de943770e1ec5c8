"""Counting the deliveries of several notifications at once."""

from shared.clock import to_datetime
from shared.db import Database
from shared.store import apps, notifications, tallies
from shared.store.notifications import NotificationRow
from shared.store.receipts import apply_acks
from tests.integration.store.support import NOW, make_app, member, store, store_and_publish, to_everyone


def _row(db: Database, id: str, app: str = "main") -> NotificationRow:
    with db.session() as session:
        row = notifications.find(session, apps.require(session, app).id, id)
    assert row is not None
    return row


def test_each_gets_its_own_numbers(db: Database) -> None:
    first, second, nobody = member("ana", "bob"), member("ana"), member("ana", exclude=("ana",))
    store_and_publish(db, first, second, nobody)
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW + 30))

    with db.session() as session:
        found = tallies.count(session, [_row(db, one.id) for one in (first, second, nobody)])

    assert found == {
        first.id: ({"delivered": 1, "pending": 1}, to_datetime(NOW + 30)),
        second.id: ({"pending": 1}, None),
        nobody.id: ({}, None),
    }


def test_those_to_everyone_are_counted_by_what_users_of_the_app_acknowledged(db: Database) -> None:
    make_app(db, "other")
    store(db, member("ana", "bob", "cleo"), member("ana", app="other"))
    one, two, three = (to_everyone() for _ in range(3))
    store_and_publish(db, one, two, three, to_everyone(app="other"))
    for user, top in (("ana", 1), ("bob", 2)):
        db.run(lambda session, user=user, top=top: apply_acks(session, [("main", user, 0, top)], NOW))
    db.run(lambda session: apply_acks(session, [("other", "ana", 0, 1)], NOW))

    with db.session() as session:
        found = tallies.count(session, [_row(db, each.id) for each in (three, one, two)])

    assert {id: dict(each.states) for id, each in found.items()} == {
        one.id: {"delivered": 2},
        two.id: {"delivered": 1},
        three.id: {},
    }
