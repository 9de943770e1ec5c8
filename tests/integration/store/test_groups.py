"""Storing a group: numbers, frames, and a second run that changes nothing."""

import orjson
import pytest

from shared.db import Database
from shared.store.apps import UnknownApp
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    deliveries_of,
    dump,
    items,
    make_app,
    make_id,
    member,
    store,
    store_and_publish,
    stream_of,
    to_everyone,
)


def test_numbers_of_a_user_follow_the_order_of_the_group(db: Database) -> None:
    first, second, third = (
        member("ana", "ben", id=make_id(9001)),
        member("ana"),
        member("ana", "cleo", id=make_id(9000)),
    )

    stored = store(db, first, second, third)

    order = {m.id: n for n, m in enumerate((first, second, third), start=1)}
    assert {row.notification_id: row.seq for row in deliveries_of(db, "ana")} == order
    assert [(row.seq, row.notification_id) for row in deliveries_of(db, "cleo")] == [(1, third.id)]
    assert stored.stored_ids == [first.id, second.id, third.id]
    assert stored.already == []
    assert sorted(stored.publish_ids) == sorted([first.id, second.id, third.id])


def test_the_next_group_goes_on_where_the_last_one_stopped(db: Database) -> None:
    store(db, member("ana"), member("ana"))

    stored = store(db, member("ben", "ana"))

    assert {(user, seq, prev) for user, seq, prev, _ in items(stored)} == {("ana", 3, 2), ("ben", 1, 0)}


def test_a_frame_carries_the_notification_and_splices_its_data_unread(db: Database) -> None:
    data = '{"b":1,"a":{"z":[1,2.50]}}'
    one = member("ana", data_json=data, event="a/b:c", request_id="req-7")

    frames = store(db, one).frames[0]

    assert frames.app == "main"
    assert len(frames.epoch) == 16
    assert frames.bodies[0].request_id == "req-7"
    assert frames.bodies[0].expires_at == one.expires_at
    fragment = frames.bodies[0].fragment
    assert f'"data":{data},' in fragment
    shown = orjson.loads("{" + fragment)
    assert shown["id"] == one.id
    assert shown["event"] == "a/b:c"
    assert shown["sent_at"].endswith(".995Z")


def test_records_tell_the_stream_as_it_is_after_the_commit(db: Database) -> None:
    store(db, member("ana"))

    record = store(db, member("ana"), member("ana")).frames[0].records["ana"]

    row = stream_of(db, "ana")
    assert (record.top, record.rev, record.acked) == (row.last_seq, row.rev, row.acked) == (3, 2, 0)
    assert (record.own.total, record.own.unseen, record.own.unread, record.own.archived) == (3, 3, 3, 0)
    assert (row.total, row.unseen, row.unread, row.archived) == (3, 3, 3, 0)
    assert [delivery.rev for delivery in deliveries_of(db, "ana")] == [1, 2, 2]


def test_a_second_run_changes_nothing_and_makes_the_same_frames(db: Database) -> None:
    make_app(db, "other")
    group = [
        member("ana", "ben"),
        member("ben", app="other"),
        to_everyone("ana", "nobody-yet"),
        member("ana", data_json='{"x":"\\u00e4\\n"}'),
        to_everyone(),
        member("ben", "ana", "cleo", exclude=("ben",)),
    ]
    first = store(db, *group)
    before = dump(db)

    second = store(db, *group, now=NOW + 60_000)

    assert dump(db) == before
    assert second.frames == first.frames
    assert second.stored_ids == []
    assert second.already == [m.id for m in group]
    assert sorted(second.publish_ids) == sorted(first.publish_ids)


def test_a_run_with_old_and_new_members_stores_the_new_ones_only(db: Database) -> None:
    old = member("ana", "ben")
    first = store(db, old)
    new = member("ana")

    both = store(db, new, old)

    assert (both.stored_ids, both.already) == ([new.id], [old.id])
    assert set(items(first)) < set(items(both))
    assert {(user, seq) for user, seq, _, _ in items(both)} == {("ana", 1), ("ben", 1), ("ana", 2)}


def test_what_is_published_is_not_read_back(db: Database) -> None:
    one = member("ana")
    store_and_publish(db, one)

    again = store(db, one)

    assert again.already == [one.id]
    assert (again.frames, again.publish_ids, again.pages) == ([], [], [])


def test_the_same_id_twice_in_a_group_is_one_notification(db: Database) -> None:
    one = member("ana")

    stored = store(db, one, one)

    assert stored.stored_ids == [one.id]
    assert stream_of(db, "ana").last_seq == 1


def test_users_named_twice_or_excluded_get_it_once_or_not_at_all(db: Database) -> None:
    stored = store(db, member("ana", "ben", "ana", "cleo", exclude=("ben", "zoe")))

    assert sorted(user for user, *_ in items(stored)) == ["ana", "cleo"]


def test_names_that_differ_in_case_blanks_or_marks_are_different_users(db: Database) -> None:
    names = ("a", "A", "a ", " a", "ä", "a\u0308", "ß", "ss", "😀", "x" * 128)

    stored = store(db, member(*names))

    assert {user: seq for user, seq, *_ in items(stored)} == dict.fromkeys(names, 1)


def test_a_member_for_nobody_is_stored_and_done(db: Database) -> None:
    one = member("ana", exclude=("ana",))

    stored = store(db, one)

    assert stored.stored_ids == [one.id]
    assert (stored.frames, stored.publish_ids) == ([], [])
    row = dump(db)["notifications"][0]
    assert "sent" in row


def test_what_expired_on_its_way_takes_no_number_and_says_so(db: Database) -> None:
    late = member("ana", "ben", expires_at=NOW)
    store(db, member("ana"))

    stored = store(db, late, to_everyone(expires_at=NOW - 1))

    assert [frames.items for frames in stored.frames] == [[]]
    assert stored.publish_ids == []
    rows = {row.notification_id: row for row in deliveries_of(db, "ana")}
    assert (rows[late.id].state, rows[late.id].seq) == ("expired", None)
    assert stream_of(db, "ana").last_seq == 1
    assert stream_of(db, "ana").total == 1
    assert dump(db)["apps"][0][3] == 0


def test_an_unknown_app_stores_nothing(db: Database) -> None:
    before = dump(db)

    with pytest.raises(UnknownApp):
        store(db, member("ana"), member("ana", app="nowhere"))

    assert dump(db) == before


def test_apps_do_not_share_users_or_numbers(db: Database) -> None:
    make_app(db, "other")
    store(db, member("ana"), member("ana"))

    stored = store(db, member("ana", app="other"), to_everyone(app="other"))

    assert [(frames.app, [item.seq for item in frames.items]) for frames in stored.frames] == [("other", [1])]
    assert stored.frames[0].broadcasts[0].seq == 1
    assert stream_of(db, "ana", "main").last_seq == 2
    assert stream_of(db, "ana", "other").last_seq == 1


def test_a_big_body_comes_back_as_it_went_in(db: Database) -> None:
    data = orjson.dumps({"text": "ü😀\x00\u2028" * 20_000}).decode()
    one = member("ana", data_json=data, expires_at=NOW + DAY_MS)
    first = store(db, one)

    assert store(db, one).frames == first.frames
    assert data in first.frames[0].bodies[0].fragment


AWKWARD = ('"', "\\", "{a,b}", "NULL", "null", "'; --", "a\\b\"c'd", "%s %(x)s :x", "\u2028", "\U0001f600")


def test_texts_with_every_kind_of_quote_come_back_as_they_went_in(db: Database) -> None:
    group = [
        member(
            word,
            data_json=orjson.dumps({"x": word}).decode(),
            cancel_key=word,
            tags_json=orjson.dumps([word]).decode(),
        )
        for word in AWKWARD
    ]
    first = store(db, *group)

    assert store(db, *group).frames == first.frames
    assert {user for user, *_ in items(first)} == set(AWKWARD)
    rows = {row[0]: row for row in dump(db)["notifications"]}
    for one in group:
        assert rows[one.id][3] == one.data_json
        assert one.cancel_key in rows[one.id]
        assert one.tags_json in rows[one.id]
