"""Sessions and refresh tokens on all three databases: one successor, reuse ends the family, and what is purged."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from shared.db import Database
from shared.domain.refreshing import REPEAT_MS, Meaning, judge
from shared.models import tables as t
from shared.services import users
from shared.store import accounts, apps, sessions
from shared.store.accounts import AccountRow
from shared.store.sessions import SESSIONS_MAX, Begun, Refreshed
from tests.integration.store.support import DAY_MS, NOW, make_app, make_id

HERE, THERE = "a" * 64, "b" * 64
IDLE_MS = 7 * DAY_MS


def _account(db: Database, name: str, *, known: bool = False) -> AccountRow | None:
    def add(session):
        return accounts.add(session, apps.require(session, "main").id, name, "hash", now_ms=NOW, known=known)

    return db.run(add)


def _begin(db: Database, account: AccountRow, token: str, *, at: int = NOW) -> str:
    begun = Begun(make_id(), account.app_id, account.user_id, "agent", HERE, token, at, at + 30 * DAY_MS)
    db.run(lambda session: sessions.begin(session, begun, idle_ms=IDLE_MS))
    return begun.id


def _refresh(db: Database, token: str, successor: str, *, client: str = HERE, at: int = NOW) -> Refreshed:
    return db.run(
        lambda session: sessions.refresh(session, token, successor, client=client, now_ms=at, idle_ms=IDLE_MS)
    )


def _live(db: Database, account: AccountRow) -> list[str]:
    with db.session() as session:
        return [row.id for row in sessions.list_of(session, account.user_id, now_ms=NOW, idle_ms=IDLE_MS)]


def _rows(db: Database) -> list[int]:
    with db.session() as session:
        tables = (t.accounts, t.sessions, t.refresh_tokens)
        return [session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


@pytest.fixture
def ana(db: Database) -> AccountRow:
    account = _account(db, "ana")
    assert account is not None
    return account


def test_a_token_is_used_once_and_its_repetition_gets_the_same_successor(
    db: Database, ana: AccountRow
) -> None:
    id = _begin(db, ana, "1" * 64)

    first = _refresh(db, "1" * 64, "2" * 64)
    again = _refresh(db, "1" * 64, "3" * 64, at=NOW + REPEAT_MS)

    assert (first.meaning, again.meaning) == (Meaning.ROTATE, Meaning.REPEAT)
    assert first.family is not None
    assert (first.family.id, first.family.app, first.family.user) == (id, "main", "ana")
    assert _refresh(db, "3" * 64, "4" * 64) == Refreshed(Meaning.OVER)
    assert _refresh(db, "2" * 64, "4" * 64).meaning is Meaning.ROTATE


@pytest.mark.parametrize("how", ["older", "later", "elsewhere"])
def test_reuse_ends_the_whole_family_and_no_other(db: Database, ana: AccountRow, how: str) -> None:
    stolen, other = _begin(db, ana, "1" * 64), _begin(db, ana, "9" * 64)
    _refresh(db, "1" * 64, "2" * 64)
    if how == "older":
        _refresh(db, "2" * 64, "3" * 64)
    at = NOW + REPEAT_MS + 1 if how == "later" else NOW

    found = _refresh(db, "1" * 64, "5" * 64, at=at, client=THERE if how == "elsewhere" else HERE)

    assert found.meaning is Meaning.STOLEN
    assert found.family is not None
    assert found.family.id == stolen
    assert _live(db, ana) == [other]
    assert _refresh(db, "3" * 64 if how == "older" else "2" * 64, "6" * 64).meaning is Meaning.OVER
    assert _refresh(db, "9" * 64, "8" * 64).meaning is Meaning.ROTATE


def test_of_many_at_once_one_gets_a_successor_in(db: Database, ana: AccountRow) -> None:
    _begin(db, ana, "1" * 64)
    together = Barrier(8)

    def refresh(number: int) -> Meaning:
        together.wait(10)
        return _refresh(db, "1" * 64, f"{number:064x}").meaning

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(refresh, range(10, 18)))

    assert sorted(found) == [Meaning.REPEAT] * 7 + [Meaning.ROTATE]
    assert _rows(db) == [1, 1, 2]


@pytest.mark.parametrize("end", ["logout", "erase"])
def test_a_token_that_is_presented_while_its_session_ends_gives_nothing(
    db: Database, ana: AccountRow, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    if db.dialect == "sqlite":
        pytest.skip("one writer at a time: nobody can end it in between")
    id = _begin(db, ana, "1" * 64)
    ends = {
        "logout": lambda session: sessions.end(session, ana.user_id, [id], now_ms=NOW),
        "erase": lambda session: users.erase(session, "main", "ana", NOW),
    }

    def judge_slowly(*given: Any, **named: Any) -> Meaning:
        """It ends after it was read."""
        monkeypatch.setattr(sessions, "judge", judge)
        meaning = judge(*given, **named)
        db.run(ends[end])
        return meaning

    monkeypatch.setattr(sessions, "judge", judge_slowly)

    assert _refresh(db, "1" * 64, "2" * 64).meaning is Meaning.OVER
    assert _rows(db) == ([1, 1, 1] if end == "logout" else [0, 0, 0])


def test_a_session_ends_by_age_by_rest_and_with_its_user(db: Database, ana: AccountRow) -> None:
    _begin(db, ana, "1" * 64)

    assert _refresh(db, "1" * 64, "2" * 64, at=NOW + IDLE_MS).meaning is Meaning.OVER
    db.run(lambda session: users.disable(session, "main", "ana", NOW))
    assert _live(db, ana) == []
    assert _refresh(db, "1" * 64, "2" * 64).meaning is Meaning.OVER
    db.run(lambda session: users.enable(session, "main", "ana", NOW))
    assert _refresh(db, "1" * 64, "2" * 64).meaning is Meaning.OVER


def test_a_user_ends_own_sessions_only_and_has_a_bounded_number(db: Database, ana: AccountRow) -> None:
    bob = _account(db, "bob")
    assert bob is not None
    mine = [_begin(db, ana, f"{number:064x}", at=NOW - 1000 + number) for number in range(SESSIONS_MAX + 1)]

    assert _live(db, ana) == mine[:0:-1]
    assert db.run(lambda session: sessions.end(session, bob.user_id, [mine[1]], now_ms=NOW)) == []
    assert db.run(lambda session: sessions.end(session, ana.user_id, [mine[1]], now_ms=NOW)) == [mine[1]]
    assert db.run(lambda session: sessions.end_all(session, ana.user_id, now_ms=NOW, but=mine[2])) == mine[3:]
    assert _live(db, ana) == [mine[2]]


def test_erasing_takes_account_sessions_and_tokens_along(db: Database, ana: AccountRow) -> None:
    _begin(db, ana, "1" * 64)

    db.run(lambda session: users.erase(session, "main", "ana", NOW))

    assert _rows(db) == [0, 0, 0]
    with db.session() as session:
        assert accounts.find(session, "main", "ana") is None


def test_a_name_is_taken_by_an_account_by_a_receiver_and_in_its_app_only(
    db: Database, ana: AccountRow
) -> None:
    make_app(db, "other")
    db.run(lambda session: users.put(session, "main", "receiver", {}, NOW))

    assert _account(db, "ana", known=True) is None
    assert _account(db, "receiver") is None
    assert _account(db, "receiver", known=True) is not None
    with db.session() as session:
        assert accounts.find(session, "other", "ana") is None
        assert accounts.find(session, "nowhere", "ana") is None


def test_who_is_disabled_cannot_sign_in(db: Database, ana: AccountRow) -> None:
    db.run(lambda session: users.disable(session, "main", "ana", NOW))

    with db.session() as session:
        assert accounts.decided(session, ana.user_id) == NOW + 1
        found = accounts.find(session, "main", "ana")
    assert found is not None
    assert found.disabled
    assert not db.run(lambda session: accounts.confirm(session, ana))


def test_a_changed_password_makes_the_hash_that_was_read_useless(db: Database, ana: AccountRow) -> None:
    def change(old: str) -> bool:
        return db.run(lambda session: accounts.change(session, ana.user_id, old=old, new="newer", now_ms=NOW))

    assert db.run(lambda session: accounts.confirm(session, ana))
    assert [change("hash"), change("hash")] == [True, False]
    assert not db.run(lambda session: accounts.confirm(session, ana))


def test_the_purge_takes_what_rested_too_long_and_leaves_the_rest(db: Database, ana: AccountRow) -> None:
    _begin(db, ana, "1" * 64, at=NOW - IDLE_MS - 1)
    old = NOW - IDLE_MS - 1
    kept = _begin(db, ana, "2" * 64, at=old)
    _refresh(db, "2" * 64, "3" * 64, at=old)
    _refresh(db, "3" * 64, "4" * 64, at=NOW - 5)

    def over() -> bool:
        with db.session() as session:
            return sessions.anything_over(session, NOW, idle_ms=IDLE_MS)

    assert over()
    assert db.run(lambda session: sessions.purge(session, NOW, idle_ms=IDLE_MS)) == 2

    assert (over(), _live(db, ana), _rows(db)) == (False, [kept], [1, 1, 2])
    assert db.run(lambda session: sessions.purge(session, NOW, idle_ms=IDLE_MS)) == 0
    assert _refresh(db, "3" * 64, "5" * 64).meaning is Meaning.REPEAT
