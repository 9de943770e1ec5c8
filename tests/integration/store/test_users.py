"""Users: made just in time, changed, erased, and back again."""

from typing import Any

import orjson
import pytest

from shared.db import Database
from shared.errors import NotFound
from shared.protocol.envelope import Counts
from shared.services import inbox, users
from shared.store import names
from shared.store.receipts import apply_acks
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    items,
    make_app,
    member,
    store,
    store_and_publish,
    stream_of,
    to_everyone,
)


def _put(db: Database, name: str, app: str = "main", **values: object) -> tuple[users.UserRow, bool]:
    return db.run(lambda session: users.put(session, app, name, values, NOW + 10))


def _get(db: Database, name: str, app: str = "main") -> users.UserRow:
    with db.session() as session:
        return users.get(session, app, name)


def _erase(db: Database, name: str, app: str = "main") -> None:
    db.run(lambda session: users.erase(session, app, name, NOW + 20))


def test_put_creates_and_then_replaces_what_is_known(db: Database) -> None:
    row, new = _put(db, "ana", attributes={"plan": "pro"}, locale="de-DE", timezone="Europe/Berlin")
    assert (new, row.locale, row.timezone, orjson.loads(row.attributes)) == (
        True, "de-DE", "Europe/Berlin", {"plan": "pro"},
    )  # fmt: skip

    row, new = _put(db, "ana", locale="fr")

    assert (new, row.locale, row.timezone, row.attributes) == (False, "fr", None, "{}")
    assert _get(db, "ana") == row
    assert stream_of(db, "ana").last_seq == 0


def test_put_of_a_user_who_was_sent_to_keeps_the_stream(db: Database) -> None:
    store(db, member("ana"), member("ana"))

    _, new = _put(db, "ana", locale="de")

    assert new is False
    assert stream_of(db, "ana").last_seq == 2


def test_users_of_another_app_are_not_found(db: Database) -> None:
    make_app(db, "other")
    _put(db, "ana", app="other", locale="de")

    for refused in (lambda: _get(db, "ana"), lambda: _erase(db, "ana"), lambda: _get(db, "ana", "nowhere")):
        with pytest.raises(NotFound):
            refused()
    assert _get(db, "ana", "other").locale == "de"


def test_erasing_leaves_nothing_of_the_person(db: Database) -> None:
    secret = "very-private"
    shared_one, own, all = member("ana", "ben"), member("ana", data_json=f'{{"x":"{secret}"}}'), to_everyone()
    store_and_publish(db, shared_one, own, all)
    _put(db, "ana", attributes={"x": secret}, locale="de", timezone="Europe/Berlin")
    db.run(lambda session: inbox.mark(session, "main", "ana", "read", [all.id, own.id], NOW))

    _erase(db, "ana")

    rows = dump(db)
    assert "ana" not in {row[2] for row in rows["users"]}
    for table in ("users", "notifications", "deliveries"):
        assert secret not in repr(rows[table])
        assert "Berlin" not in repr(rows[table])
    assert len(rows["deliveries"]) == 1
    assert [row[3] for row in rows["notifications"] if row[0] == own.id] == ["{}"]
    assert [row[3] for row in rows["notifications"] if row[0] == shared_one.id] == ['{"n":1}']
    with pytest.raises(NotFound):
        _get(db, "ana")
    with pytest.raises(NotFound):
        _erase(db, "ana")


def test_whoever_comes_back_goes_on_with_the_numbers_and_finds_nothing_old(db: Database) -> None:
    store(db, *(member("ana") for _ in range(3)))
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW))
    before = stream_of(db, "ana")

    _erase(db, "ana")
    stored = store(db, member("ana", "ben"))

    assert {(user, seq, prev) for user, seq, prev, _ in items(stored)} == {("ana", 4, 3), ("ben", 1, 0)}
    row = stream_of(db, "ana")
    assert row.user_id == before.user_id
    assert (row.last_seq, row.acked, row.total, row.unread, row.erased) == (4, 3, 1, 1, False)
    assert row.rev > before.rev
    assert [delivery.seq for delivery in deliveries_of(db, "ana")] == [4]
    with db.session() as session:
        assert inbox.counts_of(session, "main", "ana", NOW) == Counts(1, 1, 1, 0)
    assert _get(db, "ana").attributes == "{}"


def test_erasing_one_leaves_the_other_users_as_they_are(db: Database) -> None:
    store(db, member("ana", "ben"), member("ben"))
    before = (stream_of(db, "ben"), deliveries_of(db, "ben"))

    _erase(db, "ana")

    assert (stream_of(db, "ben"), deliveries_of(db, "ben")) == before


def test_a_send_that_looked_the_name_up_before_an_erasure_starts_over(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(db, member("ana"))
    if db.dialect == "sqlite":
        pytest.skip("one writer at a time: nobody can erase in between")
    locking = names.lock

    def erase_then_lock(*args: Any) -> Any:
        monkeypatch.undo()
        _erase(db, "ana")
        return locking(*args)

    monkeypatch.setattr(names, "lock", erase_then_lock)

    stored = store(db, member("ana"))

    assert [(user, seq) for user, seq, *_ in items(stored)] == [("ana", 2)]
    assert _get(db, "ana").name == "ana"
    assert len(deliveries_of(db, "ana")) == 1
