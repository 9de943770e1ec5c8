"""The newer one of a collapse key takes the place of the older one that was not read."""

import orjson

from shared.db import Database
from shared.domain.marks import Action
from shared.services import inbox
from shared.store import publishing
from shared.store.receipts import apply_acks
from shared.store.replay import read_frames
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
from tests.integration.store.times import cap, check_numbers, release, row_of


def keyed(*names: str, **changes):
    return member(*names, **{"collapse_key": "k", **changes})


def frames_of(stored):
    return {(user, seq): orjson.loads("{" + fragment) for user, seq, _, fragment in items(stored)}


def replayed(db: Database, user: str):
    with db.session() as session:
        return read_frames(session, "main", user, 0, 0, now_ms=NOW)


def test_it_takes_the_place_of_the_unread_older_one(db: Database) -> None:
    older, newer = keyed("ana", "ben"), keyed("ana")
    store_and_publish(db, older)

    stored = store_and_publish(db, newer)

    frame = frames_of(stored)["ana", 2]
    assert (frame["id"], frame["replaces"]) == (newer.id, older.id)
    rows = deliveries_of(db, "ana")
    assert [(row.state, row.reason) for row in rows] == [("cancelled", "replaced"), ("pending", None)]
    assert [(row.user, row.seq) for row in stored.frames[0].gone] == [("ana", 1)]
    assert stored.frames[0].records["ana"].own.total == 1
    check_numbers(db, "ana", "ben")
    assert [row.state for row in deliveries_of(db, "ben")] == ["pending"]


def test_on_resume_the_older_one_is_a_position(db: Database) -> None:
    older, newer = keyed("ana"), keyed("ana")
    store_and_publish(db, older)
    store_and_publish(db, newer)

    first, second = replayed(db, "ana").me

    assert (first.seq, first.prev, first.fragment) == (1, 0, b"")
    assert orjson.loads(b"{" + second.fragment)["replaces"] == older.id


def test_one_that_was_delivered_and_not_read_is_replaced(db: Database) -> None:
    store_and_publish(db, keyed("ana"))
    db.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], NOW))

    store_and_publish(db, keyed("ana"))

    assert [row.state for row in deliveries_of(db, "ana")] == ["cancelled", "pending"]
    check_numbers(db, "ana")


def test_one_that_was_read_or_archived_stays(db: Database) -> None:
    read, archived = keyed("ana"), keyed("ben")
    store_and_publish(db, read)
    store_and_publish(db, archived)
    db.run(lambda session: inbox.mark(session, "main", "ana", Action.READ, [read.id], NOW))
    db.run(lambda session: inbox.mark(session, "main", "ben", Action.ARCHIVE, [archived.id], NOW))

    stored = store_and_publish(db, keyed("ana", "ben"))

    assert all("replaces" not in frame for frame in frames_of(stored).values())
    assert stream_of(db, "ana").total == 2
    check_numbers(db, "ana", "ben")


def test_one_that_was_seen_is_counted_out_of_what_is_left_of_it(db: Database) -> None:
    older = keyed("ana")
    store_and_publish(db, older)
    db.run(lambda session: inbox.mark(session, "main", "ana", Action.SEEN, [older.id], NOW))

    store_and_publish(db, keyed("ana"))

    assert (stream_of(db, "ana").unseen, stream_of(db, "ana").unread) == (1, 1)
    check_numbers(db, "ana")


def test_of_several_in_one_group_the_last_one_goes(db: Database) -> None:
    ones = [keyed("ana"), keyed("ana", "ben"), keyed("ana")]

    stored = store_and_publish(db, *ones)

    assert {(user, frame["id"]) for (user, _), frame in frames_of(stored).items()} == {
        ("ben", ones[1].id),
        ("ana", ones[2].id),
    }
    check_numbers(db, "ana", "ben")


def test_other_keys_apps_and_users_are_left_alone(db: Database) -> None:
    make_app(db, "other")
    store_and_publish(db, keyed("ana", collapse_key="other"), member("ana"), keyed("ben"))
    store_and_publish(db, keyed("ana", app="other"))

    stored = store_and_publish(db, keyed("ana"))

    assert "replaces" not in frames_of(stored)["ana", 3]
    check_numbers(db, "ben")


def test_those_of_one_notification_who_had_different_ones_get_different_frames(db: Database) -> None:
    ana, ben = keyed("ana"), keyed("ben")
    store_and_publish(db, ana)
    store_and_publish(db, ben)

    stored = store(db, keyed("ana", "ben", "cem"))

    told = {user: frame.get("replaces") for (user, _), frame in frames_of(stored).items()}
    assert told == {"ana": ana.id, "ben": ben.id, "cem": None}
    with db.session() as session:
        [back] = publishing.frames_of(session, stored.publish_ids)
    [first] = stored.frames
    assert (back.bodies, back.items, back.records) == (first.bodies, first.items, first.records)


def test_a_page_replaces_too(db: Database) -> None:
    names = [f"u{n}" for n in range(25)]
    store_and_publish(db, keyed(*names), page_size=10)

    store_and_publish(db, keyed(*names), page_size=10)

    for name in names:
        assert [row.state for row in deliveries_of(db, name)] == ["cancelled", "pending"]
    check_numbers(db, *names)


def test_a_second_run_changes_nothing(db: Database) -> None:
    newer = keyed("ana")
    store_and_publish(db, keyed("ana"))
    store(db, newer)
    before = dump(db)

    store(db, newer)

    assert dump(db) == before


def test_a_held_one_that_is_replaced_never_comes(db: Database) -> None:
    cap(db, 1, 3600, "hold", event="like")
    held = keyed("ana", event="like")
    store_and_publish(db, member("ana", event="like"))
    store_and_publish(db, held)
    assert deliveries_of(db, "ana")[-1].state == "held"

    stored = store_and_publish(db, keyed("ana", event="other"))

    assert "replaces" not in frames_of(stored)["ana", 2]
    assert not release(db, NOW + 7_200_000).pairs
    assert (deliveries_of(db, "ana")[-1].state, deliveries_of(db, "ana")[-1].reason) == (
        "cancelled",
        "replaced",
    )
    check_numbers(db, "ana")


def test_a_held_one_replaces_when_it_is_released(db: Database) -> None:
    cap(db, 1, 3600, "hold", event="like")
    store_and_publish(db, member("ana", event="like"), keyed("ana", event="other"))
    store_and_publish(db, keyed("ana", event="like"))
    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "pending", "held"]

    [frames] = release(db, NOW + 7_200_000).frames

    assert '"replaces"' in frames.bodies[0].fragment
    assert [row.state for row in deliveries_of(db, "ana")] == ["pending", "cancelled", "pending"]
    check_numbers(db, "ana")


def test_an_older_one_that_is_released_leaves_the_newer_held_one_alone(db: Database) -> None:
    cap(db, 1, 3600, "hold", event="like")
    store_and_publish(db, member("ana", event="like"))
    first, second = keyed("ana", event="like"), keyed("ana", event="like")
    store_and_publish(db, first)
    store_and_publish(db, second)

    release(db, NOW + 3_600_000)
    assert deliveries_of(db, "ana")[-1].state == "held"
    [frames] = release(db, NOW + 7_200_000).frames

    assert orjson.loads("{" + frames.bodies[0].fragment)["replaces"] == first.id
    check_numbers(db, "ana")


def test_an_older_one_that_is_late_does_not_replace_the_newer(db: Database) -> None:
    cap(db, 1, 3600, "hold", event="like")
    held = keyed("ana", event="like")
    store_and_publish(db, member("ana", event="like"))
    store_and_publish(db, held)
    late, last = keyed("ana"), keyed("ana")
    store_and_publish(db, last)

    store_and_publish(db, late)

    states = {row.notification_id: (row.state, row.reason) for row in deliveries_of(db, "ana")}
    assert states[last.id] == ("pending", None)
    assert states[late.id] == states[held.id] == ("cancelled", "replaced")
    check_numbers(db, "ana")


def test_of_one_transaction_only_ones_own_older_is_apart(db: Database) -> None:
    first, second = keyed("ana", "ben"), keyed("ben")
    store_and_publish(db, first)

    # The first once more beside the second: ana's is read back, ben's is replaced.
    store_and_publish(db, first, second)

    assert [row.state for row in deliveries_of(db, "ana")] == ["pending"]
    assert [row.state for row in deliveries_of(db, "ben")] == ["cancelled", "pending"]


def test_for_everyone_the_newer_one_ends_the_older(db: Database) -> None:
    older, newer = to_everyone(collapse_key="k"), to_everyone(collapse_key="k")
    store_and_publish(db, older)
    store_and_publish(db, to_everyone())

    [frames] = store(db, newer).frames

    assert orjson.loads("{" + frames.broadcasts[0].body.fragment)["replaces"] == older.id
    assert row_of(db, older.id).status == "cancelled"
    places = replayed(db, "ana").all
    assert [frame.fragment == b"" for frame in places] == [True, False, False]
    assert b'"replaces":"' in places[-1].fragment
    with db.session() as session:
        assert publishing.frames_of(session, [newer.id]) == [frames]
