"""Audiences that are too big for one transaction."""

import threading
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db import Database
from shared.models import tables as t
from shared.protocol.envelope import AppFrames
from shared.store.pages import StoredPage, mark_pages_published, page_frames, store_page
from shared.store.publishing import stale_pages, unpublished
from shared.store.rows import Member, PageRef
from shared.store.users import erase
from tests.integration.store.crashes import Died, dying_before
from tests.integration.store.support import DAY_MS, NOW, dump, member, store, stored_page, stream_of

NAMES = tuple(f"user-{number}" for number in range(25))


def _page(db: Database, one: Member, number: int, now: int = NOW) -> AppFrames | None:
    return stored_page(db, one.id, number, now)


def _store(db: Database, one: Member, number: int) -> StoredPage | None:
    return db.run(lambda session: store_page(session, one.id, number, now_ms=NOW, push_after_s=30))


def _mark(db: Database, one: Member, number: int) -> bool:
    return db.run(lambda session: mark_pages_published(session, one.id, [number], NOW + 1))


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
                _store(db, one, 0)
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
    assert not late.items
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
        last.append(mark_pages_published(session, one.id, [0], NOW))
        waiting.start()
        waiting.join(0.3)  # it must wait for the commit; given time, it must still be waiting
        assert len(last) == 1

    db.run(mark_first)
    waiting.join(10)

    assert last == [False, True]
    assert _row(db, one)[0] == "sent"


def test_pages_are_marked_together(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=10)
    for number in range(3):
        _page(db, one, number)

    def mark(*numbers: int) -> bool:
        return db.run(lambda session: mark_pages_published(session, one.id, numbers, NOW + 1))

    assert mark(0, 2) is False
    assert [row[2] is None for row in sorted(dump(db)["pages"])] == [True, False, True]
    assert mark(1, 2) is True
    assert _row(db, one)[0] == "sent"


def test_a_page_of_known_and_unknown_names_numbers_both(db: Database) -> None:
    store(db, member("user-1", "user-3"))
    one = member(*NAMES)
    store(db, one, page_size=24)

    frames = _page(db, one, 0)

    assert frames is not None
    assert {item.user: item.seq for item in frames.items} == {
        name: 2 if name in ("user-1", "user-3") else 1 for name in NAMES[:24]
    }
    assert _page(db, one, 0) == frames


def test_frames_are_read_back_for_those_alone_who_are_asked_for(db: Database) -> None:
    one = member(*NAMES)
    store(db, one, page_size=24)
    everyone = _page(db, one, 0)
    page = _store(db, one, 0)
    assert everyone is not None
    assert page is not None

    with db.session() as session:
        some = page_frames(session, page, ["user-7", "user-3", "nobody", NAMES[24]])
        none = page_frames(session, page, [])

    assert [item for item in everyone.items if item.user in ("user-3", "user-7")] == some.items
    assert list(some.records) == ["user-3", "user-7"]
    assert (none.app, none.epoch, none.items) == (everyone.app, everyone.epoch, ())


def test_names_of_any_spelling_are_stored_and_found(db: Database) -> None:
    names = ['a"b', "back\\slash", "{x}", "comma,", "ümlaut", "😀", "NULL", "%s", ":id", "'; --"]
    store(db, member(*names))
    one = member(*names, "z-1")
    store(db, one, page_size=len(names))

    frames = _page(db, one, 0)

    assert frames is not None
    assert {item.user: item.seq for item in frames.items} == dict.fromkeys(names, 2)


def test_pages_that_overlap_wait_for_one_another(db: Database) -> None:
    """Two notifications to the same users in opposite orders, stored at once, over and over: nobody deadlocks, and no
    number is given twice."""
    names = [f"user-{number}" for number in range(300)]
    store(db, member(*names))
    there, back = ([member(*order, "z-1") for _ in range(8)] for order in (names, names[::-1]))
    for one in (*there, *back):
        store(db, one, page_size=300)
    failed: list[Exception] = []

    def work(ones: list[Member]) -> None:
        try:
            for one in ones:
                assert _page(db, one, 0) is not None
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test tells it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(ones,), daemon=True) for ones in (there, back)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)

    assert failed == []
    assert {stream_of(db, name).last_seq for name in names} == {17}
