"""A user's inbox: lists, numbers and marks, of the own stream and of what went to everyone."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from shared.clock import rfc3339
from shared.db import Database
from shared.errors import InvalidRequest, NotFound
from shared.protocol.envelope import Counts
from shared.services import inbox
from shared.services.inbox import Filter, Listing, Marked
from tests.integration.store.support import (
    NOW,
    deliveries_of,
    dump,
    make_app,
    make_id,
    member,
    store_and_publish,
    stream_of,
    to_everyone,
)


def _mark(
    db: Database,
    user: str,
    action: str,
    what: Sequence[str] | Filter,
    *,
    now: int = NOW + 100,
    app: str = "main",
) -> Marked:
    return db.run(lambda session: inbox.mark(session, app, user, action, what, now))


def _page(db: Database, user: str, *, now: int = NOW + 200, app: str = "main", **listing: Any) -> inbox.Page:
    with db.session() as session:
        return inbox.page(session, app, user, Listing(**listing), now)


def _ids(db: Database, user: str, **listing: Any) -> list[str]:
    return [item["id"] for item in _page(db, user, **listing).items]


def _counts(db: Database, user: str, now: int = NOW + 200) -> Counts:
    with db.session() as session:
        return inbox.counts_of(session, "main", user, now)


def _mixed(db: Database) -> list[str]:
    """Own and everyone's by turns, accepted one millisecond apart; ids oldest first."""
    group = [
        (to_everyone if number % 2 else lambda **c: member("ana", **c))(
            event="odd" if number % 2 else "even", accepted_at=NOW - 100 + number
        )
        for number in range(7)
    ]
    store_and_publish(db, *group)
    return [one.id for one in group]


def test_both_streams_come_merged_newest_first(db: Database) -> None:
    ids = _mixed(db)

    page = _page(db, "ana")

    assert [item["id"] for item in page.items] == ids[::-1]
    assert [(item["stream"], item["seq"]) for item in page.items[:3]] == [("me", 4), ("all", 3), ("me", 3)]
    assert page.next is None


def test_an_item_has_the_data_as_it_was_sent(db: Database) -> None:
    one = member("ana", data_json='{"b":1,"a":[2.50]}', event="order.paid")
    store_and_publish(db, one)

    text = orjson.dumps(_page(db, "ana").items[0])

    assert b'"data":{"b":1,"a":[2.50]}' in text
    item = orjson.loads(text)
    assert list(item) == [
        "id", "stream", "seq", "event", "data", "from",
        "sent_at", "seen_at", "read_at", "archived_at", "expires_at",
    ]  # fmt: skip
    assert (item["sent_at"], item["seen_at"], item["expires_at"]) == (
        rfc3339(one.accepted_at), None, rfc3339(one.expires_at),
    )  # fmt: skip


def test_an_item_names_the_user_who_sent_it(db: Database) -> None:
    store_and_publish(db, member("ana", sender="user:bo"))
    store_and_publish(db, member(everyone=True, sender="user:eve"))

    found = {item["stream"]: item["from"] for item in _page(db, "ana").items}
    assert found == {"me": "bo", "all": "eve"}


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_follow_each_other_without_repetition_while_new_ones_arrive(db: Database, limit: int) -> None:
    ids = _mixed(db)
    seen: list[str] = []
    cursor = None
    while True:
        page = _page(db, "ana", limit=limit, cursor=cursor)
        seen += [item["id"] for item in page.items]
        assert len(page.items) <= limit
        store_and_publish(db, member("ana"), to_everyone())
        if page.next is None:
            break
        cursor = page.next

    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "cursor", ["", "x", "bm9uZQ", "WyJvdGhlciIsMSwxXQ", "WyJpbmJveCIsInMiLDFd", "WyJpbmJveCIsdHJ1ZSwxXQ"]
)
def test_a_foreign_cursor_is_refused(db: Database, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _page(db, "ana", cursor=cursor)

    assert refused.value.detail[0]["field"] == "cursor"


def test_states_and_events_select(db: Database) -> None:
    ids = _mixed(db)
    _mark(db, "ana", "read", [ids[0], ids[1]])
    _mark(db, "ana", "archive", [ids[2], ids[3]])

    assert _ids(db, "ana") == [ids[n] for n in (6, 5, 4, 1, 0)]
    assert _ids(db, "ana", state="unread") == [ids[n] for n in (6, 5, 4)]
    assert _ids(db, "ana", state="read") == [ids[1], ids[0]]
    assert _ids(db, "ana", state="archived") == [ids[3], ids[2]]
    assert _ids(db, "ana", event="odd") == [ids[5], ids[1]]
    assert _ids(db, "ana", state="unread", event="even") == [ids[6], ids[4]]


def test_numbers_follow_every_mark(db: Database) -> None:
    ids = _mixed(db)
    steps: list[tuple[str, list[str], Counts]] = [
        ("seen", ids[:2], Counts(7, 5, 7, 0)),
        ("read", ids[1:3], Counts(7, 4, 5, 0)),
        ("archive", ids[2:4], Counts(7, 3, 4, 2)),
        ("read", [ids[3]], Counts(7, 3, 4, 2)),
        ("unarchive", [ids[3]], Counts(7, 3, 4, 1)),
        ("unread", [ids[3], ids[1]], Counts(7, 3, 6, 1)),
        ("unarchive", ids, Counts(7, 3, 6, 0)),
    ]

    for action, which, wanted in steps:
        assert _mark(db, "ana", action, which).counts == wanted, action
        assert _counts(db, "ana") == wanted, action


def test_a_mark_tells_what_other_devices_must_know(db: Database) -> None:
    ids = _mixed(db)

    marked = _mark(db, "ana", "read", [ids[0], ids[1], make_id()], now=NOW + 7)

    assert sorted(marked.changed_ids) == sorted(ids[:2])
    assert marked.fields == {"read_at": rfc3339(NOW + 7)}
    assert marked.rev == stream_of(db, "ana").rev == 2
    assert (marked.record.rev, marked.record.everyone, marked.app_top) == (2, Counts(3, 2, 2, 0), 3)
    assert _mark(db, "ana", "unread", [ids[0]]).fields == {"read_at": None}


@pytest.mark.parametrize("action", ["seen", "read", "unread", "archive", "unarchive"])
def test_the_same_mark_again_changes_nothing(db: Database, action: str) -> None:
    ids = _mixed(db)
    _mark(db, "ana", "read", ids[:2])
    _mark(db, "ana", "archive", ids[1:3])
    _mark(db, "ana", action, ids)
    before = dump(db)

    again = _mark(db, "ana", action, ids, now=NOW + 5000)

    assert again.changed_ids == []
    assert dump(db) == before


def test_reading_means_seen_and_delivered(db: Database) -> None:
    ids = _mixed(db)

    _mark(db, "ana", "read", ids[:2], now=NOW + 5)

    rows = {row.notification_id: row for row in deliveries_of(db, "ana")}
    for id in ids[:2]:
        row = rows[id]
        assert row.state == "delivered"
        assert row.seen_at == row.read_at == row.delivered_at is not None
        assert row.rev == 2
    assert rows[ids[0]].seq == 1
    assert rows[ids[1]].seq is None
    assert rows[ids[2]].state == "pending"


def test_what_was_seen_before_keeps_its_time(db: Database) -> None:
    ids = _mixed(db)
    _mark(db, "ana", "seen", ids[:1], now=NOW + 5)
    _mark(db, "ana", "read", ids[:1], now=NOW + 9)

    row = deliveries_of(db, "ana")[0]

    assert row.read_at > row.seen_at == row.delivered_at


def test_marks_of_one_user_do_not_touch_another(db: Database) -> None:
    one, all = member("ana", "ben"), to_everyone()
    store_and_publish(db, one, all)

    _mark(db, "ana", "archive", [one.id, all.id])

    assert _counts(db, "ben") == Counts(2, 2, 2, 0)
    assert _ids(db, "ana") == []
    assert len(_ids(db, "ben")) == 2


def test_a_filter_marks_all_it_finds_and_no_more(db: Database) -> None:
    ids = _mixed(db)
    _mark(db, "ana", "archive", ids[:2])

    assert sorted(_mark(db, "ana", "seen", Filter(event="odd")).changed_ids) == sorted(
        [ids[1], ids[3], ids[5]]
    )
    assert sorted(_mark(db, "ana", "read", Filter(before=NOW - 100 + 3)).changed_ids) == sorted(ids[:3])
    assert sorted(_mark(db, "ana", "archive", Filter(state="unread")).changed_ids) == sorted(ids[3:])
    assert sorted(_mark(db, "ana", "unarchive", Filter(state="archived")).changed_ids) == sorted(
        ids[:2] + ids[3:]
    )
    assert _mark(db, "ana", "read", Filter()).counts == Counts(7, 0, 0, 0)


def test_more_ids_than_one_statement_takes(db: Database) -> None:
    group = [member("ana") for _ in range(1100)]
    store_and_publish(db, *group)

    marked = _mark(db, "ana", "read", [one.id for one in group])

    assert (len(marked.changed_ids), marked.counts) == (1100, Counts(1100, 0, 0, 0))


def test_excluded_expired_foreign_and_malformed_ids_change_nothing(db: Database) -> None:
    make_app(db, "other")
    mine = member("ana")
    hidden = [
        to_everyone("ana"),
        to_everyone(expires_at=NOW + 50),
        to_everyone(app="other"),
        member("ben"),
        member("ana", app="other"),
    ]
    store_and_publish(db, mine, *hidden)
    before = dump(db)

    marked = _mark(db, "ana", "read", [*(one.id for one in hidden), make_id(), "x", "", "' or 1=1"])

    assert marked.changed_ids == []
    assert dump(db) == before
    assert _counts(db, "ana") == Counts(1, 1, 1, 0)


def test_changes_since_a_rev_are_listed_in_every_state(db: Database) -> None:
    ids = _mixed(db)
    rev = _mark(db, "ana", "read", [ids[0]]).rev
    _mark(db, "ana", "archive", [ids[1], ids[2]])

    assert _ids(db, "ana", changed_since=rev) == [ids[2], ids[1]]
    assert _ids(db, "ana", changed_since=rev - 1) == [ids[2], ids[1], ids[0]]
    assert _ids(db, "ana", changed_since=rev, state="read") == []
    assert _ids(db, "ana", changed_since=rev + 1) == []


def test_a_user_nobody_knows_sees_what_went_to_everyone_and_can_mark_it(db: Database) -> None:
    one = to_everyone()
    store_and_publish(db, one)

    assert _ids(db, "new") == [one.id]
    assert _counts(db, "new") == Counts(1, 1, 1, 0)
    assert _mark(db, "new", "read", [one.id]).counts == Counts(1, 0, 0, 0)


def test_an_expired_notification_to_everyone_leaves_list_and_numbers(db: Database) -> None:
    store_and_publish(db, to_everyone(expires_at=NOW + 1000), to_everyone())

    assert _counts(db, "ana", NOW + 999).total == 2
    assert _counts(db, "ana", NOW + 1000).total == 1
    assert len(_page(db, "ana", now=NOW + 1000).items) == 1


def test_an_unknown_app_or_action_is_refused(db: Database) -> None:
    with pytest.raises(NotFound):
        _page(db, "ana", app="nowhere")
    with pytest.raises(NotFound):
        _mark(db, "ana", "read", [], app="nowhere")
    with pytest.raises(InvalidRequest):
        _mark(db, "ana", "snooze", [])
