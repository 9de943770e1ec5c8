"""What was decided about who may come in: its numbers, what waits for Redis, and what Redis is told if it lost all."""

from dataclasses import replace

import pytest

from shared.db import Database
from shared.services import users
from shared.store import accounts, apps, revocations, sessions
from shared.store.revocations import Revocation
from tests.integration.store.support import DAY_MS, NOW, make_app, make_id


def _session(db: Database, name: str) -> str:
    def begin(session):
        app_id = apps.require(session, "main").id
        user_id = accounts.admit(session, app_id, name, now_ms=NOW)
        id = make_id()
        begun = sessions.Begun(id, app_id, user_id, "", "a" * 64, id.replace("-", "") * 2, NOW, NOW + DAY_MS)
        sessions.begin(session, begun, idle_ms=DAY_MS)
        return id

    return db.run(begin)


def _waiting(db: Database) -> list[Revocation]:
    with db.session() as session:
        return revocations.waiting(session, before_ms=NOW + DAY_MS, limit=100)


def _bare(found: list[Revocation]) -> list[Revocation]:
    return [replace(one, id=0) for one in found]


def test_a_decision_waits_with_the_sessions_that_it_ended_until_redis_was_told(db: Database) -> None:
    first, second = sorted([_session(db, "ana"), _session(db, "ana")])

    row, decided = db.run(lambda session: users.disable(session, "main", "ana", NOW))

    assert row.disabled_at is not None
    assert _bare(decided) == [
        Revocation("main", "ana", None, NOW + 1, NOW + 1, disabled=True),
        Revocation("main", "ana", first),
        Revocation("main", "ana", second),
    ]
    assert _waiting(db) == decided
    with db.session() as session:
        assert revocations.waiting(session, before_ms=NOW, limit=100) == []
        assert revocations.waiting(session, before_ms=NOW + 1, limit=1) == decided[:1]
    db.run(lambda session: revocations.forget(session, [one.id for one in decided[:2]]))
    assert _waiting(db) == decided[2:]
    # An id does not come again: who takes out what was told twice takes out nothing else.
    db.run(lambda session: revocations.forget(session, [decided[2].id]))
    _, later = db.run(lambda session: users.enable(session, "main", "ana", NOW))
    assert later[0].id > decided[2].id


def test_what_was_not_committed_is_not_told(db: Database) -> None:
    class Stop(Exception):
        pass

    def half(session):
        users.disable(session, "main", "ana", NOW)
        raise Stop

    with pytest.raises(Stop):
        db.run(half)
    assert _waiting(db) == []


def test_numbers_grow_whatever_the_clock_says_and_through_an_erasure(db: Database) -> None:
    def number(decide, now_ms: int) -> int:
        found = db.run(lambda session: decide(session, "main", "ana", now_ms))
        whole = found if isinstance(found, list) else found[1]
        return whole[0].decided

    found = [
        number(users.disable, NOW),
        number(users.enable, NOW),
        number(users.disable, NOW - DAY_MS),
        number(users.erase, NOW - DAY_MS),
        number(users.disable, NOW - DAY_MS),
        number(users.disable, NOW + DAY_MS),
    ]
    assert found == [NOW + 1, NOW + 2, NOW + 3, NOW + 4, NOW + 5, NOW + DAY_MS + 1]


def test_an_erasure_tells_that_all_older_tokens_are_dead_and_every_session(db: Database) -> None:
    id = _session(db, "ana")
    db.run(lambda session: users.disable(session, "main", "ana", NOW))
    db.run(lambda session: revocations.forget(session, [one.id for one in _waiting(db)]))

    decided = db.run(lambda session: users.erase(session, "main", "ana", NOW))

    # The session had been ended before.
    assert _bare(decided) == [Revocation("main", "ana", None, NOW + 2, NOW + 2, erased=True)]
    other = _session(db, "bob")
    decided = db.run(lambda session: users.erase(session, "main", "bob", NOW))
    assert [one.session for one in decided] == [None, other]
    assert id != other


def test_what_stands_against_users_is_found_again(db: Database) -> None:
    make_app(db, "other")
    ended = _session(db, "ana")
    for name in ("ana", "bob", "cid", "dan"):
        db.run(lambda session, name=name: users.disable(session, "main", name, NOW))
    for name in ("bob", "cid"):
        db.run(lambda session, name=name: users.enable(session, "main", name, NOW + 5))
    db.run(lambda session: users.erase(session, "main", "dan", NOW + 5))
    db.run(lambda session: users.put(session, "main", "eve", {}, NOW))
    db.run(lambda session: users.disable(session, "other", "ana", NOW))

    with db.session() as session:
        app_id = apps.require(session, "main").id

        def standing(since_ms: int) -> list[Revocation]:
            return revocations.standing(session, app_id, "main", since_ms=since_ms)

        ana = Revocation("main", "ana", None, NOW + 1, NOW + 1, disabled=True)
        assert standing(NOW) == [
            ana,
            Revocation("main", "bob", None, NOW + 6, NOW + 1),
            Revocation("main", "cid", None, NOW + 6, NOW + 1),
        ]
        assert standing(NOW + 1) == [ana]
        names = ["ana", "bob", "dan", "eve", "nobody"]
        assert revocations.of_names(session, app_id, "main", names, unknown=7) == [
            ana,
            Revocation("main", "bob", None, NOW + 6, NOW + 1),
            Revocation("main", "dan", None, NOW + 6, NOW + 6),
            Revocation("main", "eve", None, 0),
            Revocation("main", "nobody", None, 7),
        ]
        assert revocations.of_names(session, app_id, "main", [], unknown=7) == []
        assert revocations.ended(session, app_id, "main", since_ms=NOW - 1) == [
            Revocation("main", "ana", ended)
        ]
        assert revocations.ended(session, app_id, "main", since_ms=NOW) == []
