"""Notifications to segments: who is in them when it is stored gets it, once, and a second run changes nothing."""

from typing import Any

import orjson

from shared.db import Database
from shared.store import apps, notifications, segments
from shared.store.pages import mark_pages_published, store_page
from shared.store.rows import PageRef
from tests.integration.store.crashes import dying_everywhere
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    deliveries_of,
    dump,
    empty,
    items,
    know,
    make_id,
    make_segment,
    member,
    store,
    store_and_publish,
    subscribe,
    to_everyone,
)
from tests.integration.store.times import HOUR, send

AT = NOW + HOUR
PAID = {"attribute": "plan", "is": "paid"}
MANY = [f"u{number:02}" for number in range(25)]


def row(db: Database, id: str) -> notifications.NotificationRow:
    with db.session() as session:
        found = notifications.find(session, apps.require(session, "main").id, id)
    assert found is not None
    return found


def got(stored: Any) -> list[str]:
    return sorted(user for user, *_ in items(stored))


def work_on(db: Database, page: PageRef) -> None:
    id, number = page.notification_id, page.number
    assert db.run(lambda session: store_page(session, id, number, now_ms=NOW, push_after_s=30))
    db.run(lambda session: mark_pages_published(session, id, [number], NOW))


def test_users_topics_and_segments_together_reach_everybody_once(db: Database) -> None:
    for name in ("ana", "bob", "cyd", "dan"):
        know(db, name, plan="paid", beta=name == "dan")
    know(db, "eve", plan="free")
    make_segment(db, "paid", PAID)
    make_segment(db, "beta", {"attribute": "beta", "is": True})
    subscribe(db, "news", "bob", "eve", "muted")
    subscribe(db, "quiet/#", "muted")
    one = member(
        "new",
        "ana",
        topics=("news",),
        segments=("paid",),
        exclude=("cyd",),
        exclude_topics=("quiet",),
        exclude_segments=("beta",),
    )

    stored = store_and_publish(db, one)

    assert got(stored) == ["ana", "bob", "eve", "new"]
    assert row(db, one.id).recipients == 4
    kept = row(db, one.id).audience
    assert kept is not None
    assert orjson.loads(kept) == {
        "topics": ["news"],
        "exclude_topics": ["quiet"],
        "segments": ["paid"],
        "exclude_segments": ["beta"],
    }


def test_named_users_less_a_segment(db: Database) -> None:
    know(db, "ana", plan="paid")
    know(db, "bob")
    make_segment(db, "paid", PAID)
    make_segment(db, "unpaid", {"not": PAID})

    paid, unpaid = (
        member("ana", "bob", "stranger", exclude_segments=(name,), id=make_id())
        for name in ("paid", "unpaid")
    )
    assert got(store(db, paid)) == ["bob", "stranger"]
    # The first has made the stranger known, of whom nothing is known.
    assert got(store(db, unpaid)) == ["ana"]


def test_one_for_everyone_leaves_out_who_is_in_a_segment(db: Database) -> None:
    know(db, "ana", plan="paid")
    know(db, "bob", plan="free")
    make_segment(db, "paid", PAID)

    [frames] = store(db, to_everyone("cyd", exclude_segments=("paid",))).frames

    [broadcast] = frames.broadcasts
    assert sorted(broadcast.excluded) == ["ana", "cyd"]


def test_a_second_run_reads_back_whoever_is_in_the_segment_meanwhile(db: Database) -> None:
    for name in MANY:
        know(db, name, plan="paid")
    make_segment(db, "paid", PAID)
    few = member(segments=("paid",), exclude=tuple(MANY[2:]))
    many = member(segments=("paid",))
    first = store(db, few, many, page_size=10)
    assert [len(first.pages), got(first)] == [3, MANY[:2]]
    know(db, "late", plan="paid")
    for name in MANY:
        know(db, name, plan="free")
    before = dump(db)

    again = store(db, few, many, page_size=10, now=NOW + 60_000)
    assert (sorted(items(again)), again.pages) == (sorted(items(first)), first.pages)
    assert dump(db) == before

    for page in again.pages:
        work_on(db, page)
    assert [len(deliveries_of(db, name)) for name in MANY] == [2, 2] + [1] * 23
    assert deliveries_of(db, "late") == []
    assert (row(db, many.id).status, row(db, many.id).recipients) == ("sent", 25)


def test_a_segment_that_was_deleted_has_nobody_and_the_timeline_says_so(db: Database) -> None:
    know(db, "ana", plan="paid")
    make_segment(db, "paid", PAID)
    one = member("bob", segments=("paid", "gone"), exclude_segments=("lost", "gone"))
    alone = member(segments=("gone",))

    stored = store_and_publish(db, one, alone)

    assert got(stored) == ["ana", "bob"]
    with db.session() as session:
        reasons = [
            {hop.hop: hop.reason for hop in notifications.timeline(session, row(db, each.id))}
            for each in (one, alone)
        ]
    assert reasons[0]["stored"] == "no such segment any more: gone, lost"
    assert reasons[1] == {"accepted": None, "stored": "no such segment any more: gone"}
    assert [row(db, each.id).recipients for each in (one, alone)] == [2, 0]


def test_a_death_at_any_step_ends_the_same_after_the_next_run(db: Database) -> None:
    group = [
        member("new", segments=("paid",), id=make_id(1)),
        member(segments=("gone",), exclude_segments=("paid",), id=make_id(2)),
        to_everyone(exclude_segments=("paid",), id=make_id(3)),
    ]

    def prepare() -> None:
        empty(db)
        for name in MANY[:6]:
            know(db, name, plan="paid")
        make_segment(db, "paid", PAID)

    def outcome() -> Any:
        stored = store(db, *group, page_size=3)
        return sorted(items(stored)), stored.pages, stored.publish_ids

    prepare()
    wanted = outcome()
    prepare()
    assert dying_everywhere(db, outcome) == wanted
    assert [row(db, one.id).recipients for one in group] == [7, 0, 0]


def test_replacing_a_rule_changes_who_is_in_it_from_then_on(db: Database) -> None:
    know(db, "ana", plan="paid")
    know(db, "bob", plan="free")
    make_segment(db, "some", PAID)
    assert got(store(db, member(segments=("some",)))) == ["ana"]
    make_segment(db, "some", {"not": PAID})
    assert got(store(db, member(segments=("some",)))) == ["bob"]
    with db.session() as session:
        assert len(segments.page(session, 1)) == 1


def test_a_scheduled_one_goes_to_who_is_in_the_segment_when_it_is_sent(db: Database) -> None:
    know(db, "ana", plan="paid")
    know(db, "bob", plan="free")
    make_segment(db, "paid", PAID)
    make_segment(db, "quiet", {"attribute": "quiet", "is": True})
    one = member(
        "new", segments=("paid", "gone"), exclude_segments=("quiet",), send_at=AT, expires_at=AT + DAY_MS
    )
    store(db, one)
    assert orjson.loads(row(db, one.id).audience or "") == {
        "users": ["new"],
        "segments": ["paid", "gone"],
        "exclude_segments": ["quiet"],
    }
    know(db, "ana", plan="free")
    know(db, "bob", plan="paid")
    know(db, "cyd", plan="paid", quiet=True)

    assert got(send(db, AT)) == ["bob", "new"]
    with db.session() as session:
        reasons = {hop.hop: hop.reason for hop in notifications.timeline(session, row(db, one.id))}
    assert reasons["stored"] == "no such segment any more: gone"


def test_everyone_at_a_local_time_is_all_who_are_known_less_a_segment(db: Database) -> None:
    for name in ("ana", "bob", "cyd"):
        know(db, name, timezone="UTC", plan="paid" if name == "bob" else "free")
    make_segment(db, "paid", PAID)
    one = to_everyone(
        "cyd", exclude_segments=("paid",), send_at=AT, local_at="2026-09-21T15:00:00", expires_at=AT + DAY_MS
    )
    store(db, one)
    send(db, AT)

    assert row(db, one.id).recipients == 1
    assert [len(deliveries_of(db, name)) for name in ("ana", "bob", "cyd")] == [1, 0, 0]
