"""API keys: stored as digests, found by id, revoked by their own app only."""

import pytest
from sqlalchemy.exc import IntegrityError

from shared.clock import to_ms
from shared.db import Database
from shared.store import api_keys, apps
from shared.store.api_keys import KeyRow, NewKeyRow
from tests.integration.store.support import NOW, make_app


def _add(db: Database, id: str, app: str = "main", expires_at: int | None = None) -> None:
    def add(session: object) -> None:
        app_id = apps.require(session, app).id  # type: ignore[arg-type]
        key = NewKeyRow(
            id, app_id, f"key {id}", "f" * 64, ["users:read", "notifications:write"], NOW, expires_at
        )
        api_keys.add(session, key)  # type: ignore[arg-type]

    db.run(add)


def _find(db: Database, id: str) -> KeyRow | None:
    with db.session() as session:
        return api_keys.find(session, id)


def _app_id(db: Database, name: str) -> int:
    with db.session() as session:
        return apps.require(session, name).id


def test_a_key_is_found_as_it_was_stored(db: Database) -> None:
    _add(db, "abcd1234", expires_at=NOW + 5)

    key = _find(db, "abcd1234")

    assert key is not None
    assert (key.app, key.name, key.hash) == ("main", "key abcd1234", "f" * 64)
    assert key.scopes == ("notifications:write", "users:read")
    assert key.expires_at is not None
    assert to_ms(key.expires_at) == NOW + 5
    assert (key.last_used_at, key.revoked_at) == (None, None)
    assert _find(db, "abcd1235") is None


def test_a_taken_id_is_refused(db: Database) -> None:
    _add(db, "abcd1234")

    with pytest.raises(IntegrityError):
        _add(db, "abcd1234")


def test_a_list_has_the_keys_of_its_app_that_are_not_revoked(db: Database) -> None:
    make_app(db, "other")
    for id in ("cccccccc", "aaaaaaaa", "bbbbbbbb"):
        _add(db, id)
    _add(db, "dddddddd", app="other")
    main = _app_id(db, "main")
    assert db.run(lambda session: api_keys.revoke(session, main, "bbbbbbbb", now_ms=NOW)) is True

    with db.session() as session:
        listed = [key.id for key in api_keys.list_of(session, main)]
        rest = [key.id for key in api_keys.list_of(session, main, after="aaaaaaaa", limit=1)]

    assert (listed, rest) == (["aaaaaaaa", "cccccccc"], ["cccccccc"])


def test_an_app_cannot_revoke_a_foreign_key_nor_one_twice(db: Database) -> None:
    make_app(db, "other")
    _add(db, "abcd1234")
    main, other = _app_id(db, "main"), _app_id(db, "other")

    def revoke(app_id: int) -> bool:
        return db.run(lambda session: api_keys.revoke(session, app_id, "abcd1234", now_ms=NOW))

    assert [revoke(other), revoke(main), revoke(main)] == [False, True, False]
    key = _find(db, "abcd1234")
    assert key is not None
    assert key.revoked_at is not None


def test_last_use_only_moves_forward(db: Database) -> None:
    _add(db, "abcd1234")

    for ms in (NOW + 10, NOW + 5, NOW + 20):
        db.run(lambda session, ms=ms: api_keys.note_use(session, {"abcd1234": ms, "unknown1": ms}))

    key = _find(db, "abcd1234")
    assert key is not None
    assert key.last_used_at is not None
    assert to_ms(key.last_used_at) == NOW + 20
