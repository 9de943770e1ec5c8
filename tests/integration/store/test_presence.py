"""When users were last seen, on every database."""

from shared.clock import to_datetime
from shared.db import Database
from shared.store import users
from shared.store.presence import last_seen, note_seen
from tests.integration.store.support import NOW, know, make_app


def note(db: Database, *seen: tuple[tuple[str, str], int]) -> None:
    db.run(lambda session: note_seen(session, seen))


def read(db: Database, *names: str, app: str = "main") -> dict[str, object]:
    with db.session() as session:
        return last_seen(session, app, names)


def test_it_is_raised_and_never_lowered(db):
    for user in ("ana", "ben"):
        know(db, user)
    assert read(db, "ana", "ben") == {}

    note(db, (("main", "ana"), NOW), (("main", "ben"), NOW - 5), (("main", "ana"), NOW - 9))
    note(db, (("main", "ana"), NOW - 1), (("main", "ben"), NOW + 1))

    assert read(db, "ana", "ben", "nobody") == {"ana": to_datetime(NOW), "ben": to_datetime(NOW + 1)}


def test_it_is_of_one_app_and_nobody_is_made_by_it(db):
    know(db, "ana")
    make_app(db, "shop")

    note(db, (("shop", "ana"), NOW), (("ghost", "ana"), NOW), (("main", "nobody"), NOW))

    assert read(db, "ana", "nobody") == {}
    assert read(db, "ana", app="shop") == {}
    assert read(db, "ana", app="ghost") == {}


def test_erasing_a_user_forgets_it(db):
    know(db, "ana")
    note(db, (("main", "ana"), NOW))

    db.run(lambda session: users.erase(session, 1, "ana", now_ms=NOW))
    note(db, (("main", "ana"), NOW))
    know(db, "ana")

    assert read(db, "ana") == {}
