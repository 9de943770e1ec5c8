"""What is to be sent later: it waits as a row, and is sent once, to whom it is for by then."""

import itertools

import orjson
import pytest
from sqlalchemy import event

from shared.db import Database
from shared.domain import local_time
from shared.store import apps, cancellations, publishing, rescues, scheduled, users
from shared.store.expiry import expire_due
from shared.store.groups import send_scheduled
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    deliveries_of,
    dump,
    items,
    member,
    store,
    store_and_publish,
    stream_of,
    subscribe,
    to_everyone,
)
from tests.integration.store.times import (
    HOUR,
    check_numbers,
    live_in,
    release,
    row_of,
    send,
)

AT = NOW + HOUR
END = AT + DAY_MS


def later(*names: str, **changes):
    return member(*names, **{"send_at": AT, "expires_at": END, **changes})


def test_it_waits_as_a_row_without_deliveries(db: Database) -> None:
    one = later("ana", "ben", exclude=("ben",), cancel_key="k")

    stored = store_and_publish(db, one)

    row = row_of(db, one.id)
    assert (row.status, row.recipients, row.published_at) == ("scheduled", 1, None)
    assert stored.stored_ids == [one.id]
    assert not stored.frames and not stored.pages and not stored.publish_ids
    assert orjson.loads(row.audience) == {"users": ["ana", "ben"], "exclude": ["ben"]}
    assert not deliveries_of(db, "ana")


def test_nobody_publishes_it_or_stores_its_pages_before(db: Database) -> None:
    one = later(*(f"u{n}" for n in range(30)))
    store(db, one, page_size=10)

    with db.session() as session:
        found = publishing.unpublished(session, older_than_ms=END, limit=10)
    assert not found.ids and not found.pages


def test_it_is_not_due_before_its_time(db: Database) -> None:
    one = later("ana")
    store(db, one)

    with db.session() as session:
        assert not scheduled.any_due(session, AT - 1)
        assert scheduled.any_due(session, AT)
    assert not send(db, AT - 1).stored_ids
    assert not send(db, AT - HOUR, one.id).stored_ids


def test_it_is_sent_once_and_says_when(db: Database) -> None:
    one = later("ana", tags_json='["t"]', thread_key="x")
    store(db, one)

    sent = send(db, AT + 5)
    [(user, seq, prev, fragment)] = items(sent)

    assert (user, seq, prev) == ("ana", 1, 0)
    frame = orjson.loads("{" + fragment)
    assert frame["sent_at"] == "2026-09-21T15:13:20.000Z"
    row = row_of(db, one.id)
    assert (row.status, row.due_at, row.tags, row.thread_key) == ("sent", None, '["t"]', "x")
    assert row.send_at is not None
    before = dump(db)
    assert not send(db, AT + 10, one.id).stored_ids
    assert dump(db) == before


def test_the_frames_read_back_are_the_same_bytes(db: Database) -> None:
    one = later("ana")
    store(db, one)
    sent = db.run(lambda s: send_scheduled(s, [one.id], now_ms=AT, push_after_s=30))

    with db.session() as session:
        assert publishing.frames_of(session, [one.id]) == sent.frames


def test_who_is_subscribed_counts_when_it_is_sent(db: Database) -> None:
    subscribe(db, "a/#", "early")
    one = later("ana", topics=("a/b",), exclude=("out",), exclude_topics=("c",))
    store(db, one)
    subscribe(db, "a/b", "late", "out")
    subscribe(db, "c", "ana")

    sent = send(db, AT)

    assert {user for user, *_ in items(sent)} == {"early", "late"}
    assert row_of(db, one.id).recipients == 2


def test_one_to_everyone_takes_its_place_when_it_is_sent(db: Database) -> None:
    one = to_everyone("out", send_at=AT, expires_at=END)
    store(db, one)
    first = to_everyone()
    store_and_publish(db, first)

    [frames] = send(db, AT).frames

    [broadcast] = frames.broadcasts
    assert (broadcast.seq, broadcast.excluded) == (2, ("out",))
    assert row_of(db, one.id).everyone


def test_a_big_audience_becomes_pages_then(db: Database) -> None:
    names = [f"u{n}" for n in range(25)]
    one = later(*names)
    store(db, one, page_size=10)

    sent = send(db, AT, page_size=10)

    assert [page.number for page in sent.pages] == [0, 1, 2]
    assert row_of(db, one.id).recipients == 25


def test_what_was_due_too_late_is_expired(db: Database) -> None:
    one = later("ana", expires_at=AT + 1000)
    store(db, one)

    send(db, AT + 2000)

    assert row_of(db, one.id).status == "expired"
    assert [row.state for row in deliveries_of(db, "ana")] == ["expired"]
    assert stream_of(db, "ana").total == 0


def test_a_claim_holds_for_a_minute_and_is_then_made_again(db: Database) -> None:
    ones = [later("ana", priority=priority) for priority in ("bulk", "critical")]
    store(db, *ones)

    def claim(now: int, limit: int = 10):
        return db.run(lambda session: scheduled.claim(session, now, limit=limit))

    assert {(one.priority, one.recipients, one.open) for one in claim(AT)} == {
        ("bulk", 1, False),
        ("critical", 1, False),
    }
    assert not claim(AT + scheduled.LEASE_MS - 1)
    assert len(claim(AT + scheduled.LEASE_MS, limit=1)) == 1
    assert len(claim(AT + scheduled.LEASE_MS)) == 1


@pytest.mark.parametrize(
    ("audience", "is_open"),
    [
        ({"users": ("ana",)}, False),
        ({"users": (), "topics": ("a",)}, True),
        ({"users": ("ana",), "segments": ("s",)}, True),
        ({"users": ("ana",), "exclude_topics": ("a",)}, False),
        ({"users": (), "everyone": True}, False),
        ({"users": (), "everyone": True, "local_at": "2026-09-23T09:00:00"}, True),
    ],
)
def test_a_claim_tells_whose_receivers_nobody_knows_yet(db: Database, audience, is_open: bool) -> None:
    store(db, later(**audience))

    [one] = db.run(lambda session: scheduled.claim(session, AT, limit=10))

    assert one.open is is_open


def test_what_is_due_together_goes_in_the_order_of_its_times(db: Database) -> None:
    second = later("ana", send_at=AT + 60_000, collapse_key="k")
    first = later("ana", collapse_key="k")
    store(db, second, first)

    send(db, AT + 120_000)

    states = {row.notification_id: row.state for row in deliveries_of(db, "ana")}
    assert states == {first.id: "cancelled", second.id: "pending"}


def test_a_clock_that_is_behind_sends_what_another_found_due(db: Database) -> None:
    one = later("ana")
    store(db, one)
    db.run(lambda session: scheduled.claim(session, AT, limit=10))

    sent = db.run(lambda s: send_scheduled(s, [one.id], now_ms=AT - 20, push_after_s=30))

    assert sent.stored_ids == [one.id]
    assert row_of(db, one.id).status == "sending"


def test_the_reconciler_reads_what_is_unpublished_by_its_index(db: Database) -> None:
    store(db, *(later("ana") for _ in range(30)))
    seen = []

    def before(_, __, statement, *___):
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", before)
    with db.session() as session:
        publishing.unpublished(session, older_than_ms=END, limit=10)
    event.remove(db.engine, "before_cursor_execute", before)

    assert any("due_at IS NULL" in statement for statement in seen)


def test_a_second_copy_of_the_entry_changes_nothing(db: Database) -> None:
    one = later("ana")
    store(db, one)
    before = dump(db)

    again = store(db, one)

    assert again.already == [one.id] and not again.frames
    assert dump(db) == before


def test_what_cannot_be_sent_is_put_off_and_given_up(db: Database) -> None:
    one = later("ana", topics=("a",))
    store(db, one)

    db.run(lambda s: scheduled.put_off(s, one.id, attempts=1, until_ms=AT + 5000))
    with db.session() as session:
        assert not scheduled.any_due(session, AT + 4999)
    assert db.run(lambda s: scheduled.fail(s, one.id, error="x", attempts=8, now_ms=AT))
    assert row_of(db, one.id).status == "failed"
    assert not db.run(lambda s: scheduled.fail(s, one.id, error="x", attempts=8, now_ms=AT))
    assert set(db.run(lambda s: rescues.take_failed(s, [one.id]))) == {one.id}


@pytest.mark.parametrize("name", ["ana", 'a"b', "50%_of\\it", "日本"])
@pytest.mark.parametrize("failed", [False, True])
def test_erasing_somebody_takes_the_name_off_what_is_scheduled(db: Database, name: str, failed: bool) -> None:
    store_and_publish(db, member(name), member("ben"))
    one = later(name, "ben", f"{name}x")
    store(db, one)

    if failed:
        db.run(lambda s: scheduled.fail(s, one.id, error="x", attempts=8, now_ms=NOW))
    db.run(lambda session: users.erase(session, 1, name, now_ms=NOW))

    assert orjson.loads(row_of(db, one.id).audience) == {"users": ["ben", f"{name}x"]}
    if not failed:
        assert {user for user, *_ in items(send(db, AT))} == {"ben", f"{name}x"}


def test_cancelled_for_some_it_goes_to_the_others_and_says_so(db: Database) -> None:
    subscribe(db, "a", "fan")
    one = later("ana", "ben", topics=("a",))
    store(db, one)
    main = db.run(lambda session: apps.require(session, "main"))

    def cancel_for(*names: str) -> int:
        found = db.run(lambda s: cancellations.cancel_for(s, main, one.id, names, now_ms=NOW))
        return found.cancelled

    assert cancel_for("ana", "fan") == 1
    assert cancel_for("ana") == 0

    assert {user for user, *_ in items(send(db, AT))} == {"ben"}
    assert [row.state for row in deliveries_of(db, "ana")] == ["cancelled"]
    check_numbers(db, "ana", "ben")


def test_cancelled_it_is_never_sent_and_forgets_whose_it_was(db: Database) -> None:
    one = later("ana", topics=("a",))
    store(db, one)

    found = db.run(lambda session: cancellations.cancel(session, 1, one.id, now_ms=NOW))

    assert (found.cancelled, found.already_sent) == (1, 0)
    with db.session() as session:
        assert not scheduled.any_due(session, END)
    assert not send(db, AT, one.id).stored_ids
    row = row_of(db, one.id)
    assert row.status == "cancelled"
    assert "ana" not in row.audience


LOCAL = "2026-09-23T09:00:00"
FIRST = local_time.first_anywhere(local_time.parse(LOCAL))
LAST = local_time.last_anywhere(local_time.parse(LOCAL))


def at_nine(*names: str, **changes):
    times = {"send_at": FIRST, "local_at": LOCAL, "expires_at": LAST + HOUR}
    return member(*names, **{**times, **changes})


def test_it_comes_at_nine_wherever_one_lives(db: Database) -> None:
    for name, zone in (("ana", "Europe/Lisbon"), ("kim", "Asia/Tokyo"), ("joe", "America/New_York")):
        live_in(db, name, zone)
    store(db, at_nine("ana", "kim", "joe", "nil"))
    assert not list(items(send(db, FIRST)))

    came: dict[str, int] = {}
    for now in range(FIRST, LAST + HOUR, HOUR):
        for frames in release(db, now).frames:
            came.update({item.user: now for item in frames.items})

    nine = {name: came[name] for name in sorted(came, key=came.__getitem__)}
    assert nine == {
        "kim": local_time.in_zone(local_time.parse(LOCAL), "Asia/Tokyo"),
        "ana": local_time.in_zone(local_time.parse(LOCAL), "Europe/Lisbon"),
        "nil": local_time.in_zone(local_time.parse(LOCAL), None),
        "joe": local_time.in_zone(local_time.parse(LOCAL), "America/New_York"),
    }
    check_numbers(db, "ana", "kim", "joe", "nil")


def test_a_held_one_says_why_and_until_when(db: Database) -> None:
    live_in(db, "kim", "Asia/Tokyo")
    store(db, at_nine("kim"))
    send(db, FIRST)

    [row] = deliveries_of(db, "kim")
    assert (row.state, row.reason, row.seq, row.push_due_at) == ("held", "local_time", None, None)
    assert row.held_until is not None
    assert stream_of(db, "kim").total == 0


def test_whose_nine_is_past_gets_it_at_once(db: Database) -> None:
    live_in(db, "kim", "Asia/Tokyo")
    live_in(db, "joe", "America/New_York")
    noon = local_time.in_zone(local_time.parse("2026-09-23T12:00:00"), "Asia/Tokyo")

    stored = store(db, at_nine("kim", "joe", send_at=noon), now=noon)

    assert [user for user, *_ in items(stored)] == ["kim"]
    assert [row.state for row in deliveries_of(db, "joe")] == ["held"]


def test_for_everyone_it_goes_to_all_who_are_known(db: Database) -> None:
    for name, zone in (("ana", "Europe/Lisbon"), ("kim", "Asia/Tokyo"), ("out", "Asia/Tokyo")):
        live_in(db, name, zone)
    one = to_everyone("out", send_at=FIRST, local_at=LOCAL, expires_at=LAST + HOUR)
    store(db, one)
    send(db, FIRST)

    came = itertools.chain(*(frames.items for frames in release(db, LAST).frames))
    assert {item.user for item in came} == {"ana", "kim"}
    row = row_of(db, one.id)
    assert (row.everyone, row.all_seq, row.recipients) == (False, None, 2)


def test_what_is_held_past_its_end_expires_unseen(db: Database) -> None:
    live_in(db, "joe", "America/New_York")
    one = at_nine("joe", expires_at=FIRST + HOUR)
    store(db, one)
    send(db, FIRST)

    db.run(lambda session: expire_due(session, FIRST + 2 * HOUR))

    [row] = deliveries_of(db, "joe")
    assert (row.state, row.held_until) == ("expired", None)
    assert not release(db, LAST).pairs
    check_numbers(db, "joe")
