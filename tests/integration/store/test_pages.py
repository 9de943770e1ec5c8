"""Audiences that are too big for one transaction."""

import threading
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db import Database
from shared.models import tables as t
from shared.protocol.envelope import AppFrames
from shared.store.pages import mark_page_published, store_page
from shared.store.publishing import stale_pages, unpublished
from shared.store.rows import Member, PageRef
from shared.store.users import erase
from tests.integration.store.crashes import Died, dying_before
from tests.integration.store.support import DAY_MS, NOW, dump, member, store, stream_of

NAMES = tuple(f"user-{number}" for number in range(25))


def _page(db: Database, one: Member, number: int, now: int = NOW) -> AppFrames | None:
    return db.run(lambda session: store_page(session, one.id, number, now_ms=now, push_after_s=30))


def _mark(db: Database, one: Member, number: int) -> bool:
    return db.run(lambda session: mark_page_published(session, one.id, number, NOW + 1))


def _row(db: Database, one: Member) -> Any:
    with db.session() as session:
        n = t.notifications.c
        return session.execute(select(n.status, n.recipients, n.published_at).where(n.id == one.id)).one()


def test_a_big_audience_becomes_pages_and_no_deliveries_yet(db: Database) -> None:
    one = member(*NAMES, priority="bulk")

    stored = store(db, one, page_size=10)

    assert stored.pages == [PageRef(one.id, number, "bulk") for number in range(3)]
    assert (stored.frames, stored.publish_ids, stored.stored_ids) == ([], [], [one.id])
    assert dump(db)["deliveries"] == []
    assert _row(db, one)[:2] == ("sending", 25)


def test_an_audience_of_exactly_a_page_stays_in_the_group(db: Database) -> None:
    stored = store(db, member(*NAMES[:10]), page_size=10)

    assert stored.pages == []
    assert len(stored.frames[0].items) == 10


def test_every_page_numbers_its_users_and_the_last_one_ends_the_notification(db: Database) -> None:
    one = member(*NAMES)
    store(db, member("user-3", "user-20"))
    store(db, one, page_size=10)

    users = []
    for number in (2, 0, 1):
        frames = _page(db, one, number)
        assert frames is not None
        users += [item.user for item in frames.items]
        assert all(item.seq == 1 or item.user in ("user-3", "user-20") for item in frames.items)
        assert _mark(db, one, number) is (number == 1)

    assert sorted(users) == sorted(NAMES)
    assert stream_of(db, "user-20").last_seq == 2
    assert _row(db, one)[0] == "sent"
    assert all(row[2] is None for row in dump(db)["pages"])


def test_a_second_run_of_a_page_changes_nothing_and_makes_the_same_frames(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=10)
    first = [_page(db, one, number) for number in range(3)]
    before = dump(db)

    second = [_page(db, one, number, NOW + 60_000) for number in range(3)]

    assert second == first
    assert dump(db) == before


def test_a_published_page_is_nothing_to_do(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=10)
    _page(db, one, 0)
    _mark(db, one, 0)
    before = dump(db)

    assert _page(db, one, 0) is None
    assert _mark(db, one, 0) is False
    assert _page(db, one, 9) is None
    assert dump(db) == before


def test_a_page_cut_at_any_step_is_made_whole_by_the_next_run(db: Database) -> None:
    undisturbed = member(*NAMES[:5])
    store(db, undisturbed, page_size=4)
    wanted = _page(db, undisturbed, 0)
    assert wanted is not None
    for step in range(20):
        one = member(*NAMES[:5])
        store(db, one, page_size=4)
        seqs = {name: stream_of(db, name).last_seq for name in NAMES[:4]}
        try:
            with dying_before(db, step):
                _page(db, one, 0)
        except Died:
            assert {name: stream_of(db, name).last_seq for name in NAMES[:4]} == seqs
            frames = _page(db, one, 0)
        else:
            break
        assert frames is not None
        assert {item.user: item.seq for item in frames.items} == {name: seq + 1 for name, seq in seqs.items()}
    else:
        pytest.fail("the page never got through")


def test_a_group_that_is_run_again_names_the_pages_that_are_left(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=10)
    _page(db, one, 0)
    _page(db, one, 1)
    _mark(db, one, 1)

    again = store(db, one, page_size=10)

    assert again.pages == [PageRef(one.id, 0, "normal"), PageRef(one.id, 2, "normal")]
    assert (again.frames, again.publish_ids, again.already) == ([], [], [one.id])


def test_a_page_stored_after_its_end_takes_no_numbers(db: Database) -> None:
    one = member(*NAMES, expires_at=NOW + 1000)
    store(db, one, page_size=20)
    _page(db, one, 0)

    late = _page(db, one, 1, NOW + 1000)

    assert late is not None
    assert late.items == []
    states = sorted(row[3] for row in dump(db)["deliveries"])
    assert states == ["expired"] * 5 + ["pending"] * 20
    _mark(db, one, 0)
    assert _mark(db, one, 1) is True


def test_a_user_erased_between_storing_and_publishing_does_not_come_back(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=25 - 1)
    _page(db, one, 0)
    db.run(lambda session: erase(session, 1, "user-3", now_ms=NOW))

    again = _page(db, one, 0)

    assert again is not None
    assert "user-3" not in {item.user for item in again.items}
    assert "user-3" not in {row[2] for row in dump(db)["users"]}


def test_stale_pages_are_found_and_their_notification_is_not(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=10)
    _page(db, one, 0)
    _mark(db, one, 0)

    with db.session() as session:
        assert stale_pages(session, older_than_ms=NOW, limit=10) == []
        found = unpublished(session, older_than_ms=NOW + 1, limit=10)

    assert found.pages == [PageRef(one.id, 1, "normal"), PageRef(one.id, 2, "normal")]
    assert found.ids == []


def test_a_hundred_pages_are_cut_in_the_order_of_the_sender(db: Database) -> None:
    names = [f"u{number}" for number in range(1010)]
    one = member(*names, expires_at=NOW + DAY_MS)

    stored = store(db, one, page_size=10)

    assert [page.number for page in stored.pages] == list(range(101))
    frames = _page(db, one, 100)
    assert frames is not None
    assert sorted(item.user for item in frames.items) == sorted(names[1000:])


def test_of_two_last_pages_that_end_at_once_one_is_the_last(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=20)
    last: list[bool] = []
    waiting = threading.Thread(target=lambda: last.append(_mark(db, one, 1)), daemon=True)

    def mark_first(session: Session) -> None:
        last.append(mark_page_published(session, one.id, 0, NOW))
        waiting.start()
        waiting.join(0.3)  # it must wait for the commit; given time, it must still be waiting
        assert len(last) == 1

    db.run(mark_first)
    waiting.join(10)

    assert last == [False, True]
    assert _row(db, one)[0] == "sent"
