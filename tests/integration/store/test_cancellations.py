"""Cancelled: nothing more goes out, what is out leaves the inbox and its numbers, and a sender is told how many."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from shared.clock import to_datetime
from shared.db import Database
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.models import tables as t
from shared.services import inbox
from shared.services.inbox import Listing
from shared.store import apps, cancellations, counts, notifications, pages, publishing, retractions
from shared.store.cancellations import Numbers, ToEveryone
from shared.store.groups import store_group
from shared.store.purge import purge_due
from shared.store.receipts import apply_acks
from shared.store.replay import read_frames
from shared.store.rescues import store_failed
from shared.store.rows import Member
from tests.integration.store.support import (
    DAY_MS,
    NOW,
    deliveries_of,
    dump,
    make_app,
    make_id,
    member,
    store,
    store_and_publish,
    stream_of,
    subscribe,
    to_everyone,
)

LATER = NOW + 1000


def cancel(db: Database, id: str, now: int = LATER) -> tuple[int, int] | None:
    found = db.run(lambda session: cancellations.cancel(session, 1, id, now_ms=now))
    return found and (found.cancelled, found.already_sent)


def cancel_for(db: Database, id: str, *users: str, now: int = LATER) -> Numbers:
    def write(session: Any) -> Numbers | None:
        return cancellations.cancel_for(session, apps.require(session, "main"), id, users, now_ms=now)

    found = db.run(write)
    assert found is not None
    return found


def take_back(db: Database, id: str, *, limit: int = 500, now: int = LATER) -> list[Any]:
    """All steps; what is to be told of them."""
    told: list[Any] = []
    after = 0
    while taken := db.run(partial(retractions.step, id=id, after=after, now_ms=now, limit=limit)):
        told.append(taken)
        after = taken.after or after
    return told


def told_to(taken: list[Any]) -> list[str]:
    return sorted(gone.record.user for one in taken for gone in one.users)


def states(db: Database, user: str) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in deliveries_of(db, user)]


def own_counts(db: Database, user: str) -> tuple[int, int, int, int]:
    row = stream_of(db, user)
    return row.total, row.unseen, row.unread, row.archived


def in_inbox(db: Database, user: str) -> list[str]:
    with db.session() as session:
        found = []
        for state in (None, "archived"):
            page = inbox.page(session, "main", user, Listing(state=state), LATER)
            found += [item["id"] for item in page.items]
        return found


def row(db: Database, id: str) -> Any:
    with db.session() as session:
        return session.execute(select(t.notifications).where(t.notifications.c.id == id)).one()


def followed(db: Database, id: str) -> tuple[Status, dict[str, int], list[str]]:
    with db.session() as session:
        found = notifications.find(session, 1, id)
        assert found is not None
        told = notifications.counts(session, found)
        hops = [hop.hop for hop in notifications.timeline(session, found)]
        return notifications.status_of(found, told), told, hops


def replayed(db: Database, user: str, *, me: int = 0, all: int = 0) -> tuple[list[tuple], list[tuple]]:
    """(seq, prev, whether there is something) of both streams."""
    with db.session() as session:
        found = read_frames(session, "main", user, me, all, now_ms=LATER)
    return (
        [(f.seq, f.prev, bool(f.fragment)) for f in found.me],
        [(f.seq, f.prev, bool(f.fragment)) for f in found.all],
    )


def test_what_is_out_is_taken_back_from_everybody_whatever_they_did_with_it(db: Database):
    one, other = member("ana", "ben", "cyd", "dan"), member("ana", "ben", "cyd", "dan")
    store_and_publish(db, one, other)
    db.run(lambda session: apply_acks(session, [("main", "ben", 1, 0)], NOW))
    db.run(lambda session: inbox.mark(session, "main", "cyd", "read", [one.id], NOW))
    db.run(lambda session: inbox.mark(session, "main", "dan", "archive", [one.id], NOW))

    assert cancel(db, one.id) == (0, 4)
    take_back(db, one.id)

    for user in ("ana", "ben", "cyd", "dan"):
        assert states(db, user)[0] == (State.CANCELLED, "retracted")
        assert own_counts(db, user) == (1, 1, 1, 0), user
        assert in_inbox(db, user) == [other.id]
        assert replayed(db, user)[0] == [(1, 0, False), (2, 1, True)]
    assert deliveries_of(db, "ben")[0].delivered_at is not None, "what happened to it stays"
    assert deliveries_of(db, "cyd")[0].read_at is not None
    assert followed(db, one.id) == (
        Status.CANCELLED,
        {"cancelled": 4},
        ["accepted", "stored", "published", "delivered_first", "cancelled"],
    )


def test_each_user_is_told_once_with_the_numbers_after_it(db: Database):
    one, for_all = member("ana", "ben"), to_everyone("ben")
    store_and_publish(db, one, for_all)
    before = stream_of(db, "ana").rev
    cancel(db, one.id)

    [told] = take_back(db, one.id)

    assert (told.app, told.id) == ("main", one.id)
    assert told.epoch == db.run(lambda session: apps.require(session, "main").epoch)
    by_user = {gone.record.user: gone for gone in told.users}
    ana, ben = by_user["ana"], by_user["ben"]
    assert (ana.seq, ana.record.rev, ana.record.top) == (1, before + 1, 1)
    assert (ana.record.own.total, ana.counts.total, ana.counts.unread) == (0, 1, 1), "with what went to all"
    assert ben.counts.total == 0, "excluded there"
    assert stream_of(db, "ana").rev == before + 1


def test_a_second_time_there_is_nothing_left_to_do(db: Database):
    one = member("ana")
    store_and_publish(db, one)

    assert cancel(db, one.id) == (0, 1)
    take_back(db, one.id)
    rows = dump(db)
    assert cancel(db, one.id, LATER + 5) == (0, 0)
    assert take_back(db, one.id) == []
    assert dump(db) == rows


def test_nobody_cancels_what_is_not_theirs(db: Database):
    make_app(db, "shop")
    one = member("ana", app="shop")
    store_and_publish(db, one)

    assert cancel(db, one.id) is None
    assert cancel(db, make_id()) is None


def test_what_was_stored_and_never_published_was_prevented_and_is_not_published_any_more(db: Database):
    one = member("ana", "ben")
    store(db, one)

    assert cancel(db, one.id) == (2, 0)
    take_back(db, one.id)

    assert states(db, "ana") == [(State.CANCELLED, "cancelled")]
    assert own_counts(db, "ana") == (0, 0, 0, 0)
    with db.session() as session:
        assert publishing.frames_of(session, [one.id]) == []
    assert store(db, one).frames == [], "a second copy of the job finds nothing to send"
    assert followed(db, one.id)[2] == ["accepted", "stored", "cancelled"]


def test_who_publishes_it_meanwhile_is_told_to_take_it_back_again(db: Database):
    one, other = member("ana", "ben"), member("ana")
    stored = store(db, one, other)
    cancel(db, one.id)
    take_back(db, one.id)

    assert db.run(lambda session: publishing.mark_published(session, stored.publish_ids, LATER)) == 1
    with db.session() as session:
        assert retractions.late(session, stored.publish_ids) == [one.id]
    again = db.run(lambda session: retractions.told_again(session, one.id, now_ms=LATER))
    assert told_to(again) == ["ana", "ben"]

    with db.session() as session:
        found = publishing.unpublished(session, older_than_ms=LATER + DAY_MS, limit=9)
    assert found.ids == [one.id], "whoever died before telling is found"
    db.run(lambda session: publishing.mark_late(session, [one.id], LATER))
    with db.session() as session:
        assert publishing.unpublished(session, older_than_ms=LATER + DAY_MS, limit=9).ids == []


def test_pages_that_are_not_stored_never_are(db: Database):
    names = [f"u{number:02}" for number in range(10)]
    one = member(*names)
    stored = store(db, one, page_size=3)
    store_page(db, one.id, 0)
    db.run(lambda session: pages.mark_pages_published(session, one.id, [0], NOW))
    store_page(db, one.id, 1)

    assert cancel(db, one.id) == (7, 3), "a page that is stored and not published counts as prevented"

    for page in stored.pages[2:]:
        assert store_page(db, one.id, page.number) is None
    take_back(db, one.id, limit=2)
    assert [states(db, name) for name in names[:6]] == [[(State.CANCELLED, "retracted")]] * 6
    assert followed(db, one.id)[:2] == (Status.CANCELLED, {"cancelled": 10})
    with pytest.raises(pages.Cancelled):
        db.run(lambda session: pages.mark_pages_published(session, one.id, [1], LATER))
    with db.session() as session:
        assert retractions.names_on_pages(session, one.id, [1]) == names[3:6]
        assert [
            page.number for page in publishing.stale_pages(session, older_than_ms=LATER + DAY_MS, limit=9)
        ] == [1]
    frames = store_page(db, one.id, 1)
    assert frames is not None and frames.frames is not None and not frames.frames.items, (
        "read back, it is not sent any more"
    )
    db.run(lambda session: pages.end_pages(session, one.id, [1], LATER))
    assert purged(db) == [one.id]


def store_page(db: Database, id: str, number: int) -> Any:
    return db.run(lambda session: pages.store_page(session, id, number, now_ms=NOW, push_after_s=30))


def purged(db: Database) -> list[str]:
    return db.run(lambda session: purge_due(session, LATER + DAY_MS)).notifications


def test_what_went_to_everyone_leaves_every_inbox_and_every_number(db: Database):
    one, other, own = to_everyone(), to_everyone(), member("ana")
    store_and_publish(db, one, other, own)
    db.run(lambda session: inbox.mark(session, "main", "ana", "read", [one.id], NOW))

    assert cancel(db, one.id) == (0, 1), "it counts as one: nobody knows its receivers"
    [told] = take_back(db, one.id)

    assert (told.seq, told.place) == (1, 3)
    assert in_inbox(db, "ana") == [own.id, other.id] or in_inbox(db, "ana") == [other.id, own.id]
    with db.session() as session:
        app = apps.require(session, "main")
        assert app.all_seq == 3, "an empty place, after which nobody believes numbers from before it"
        assert counts.of_everyone(session, app, [None], now_ms=LATER)[None].total == 1
        assert inbox.counts_of(session, "main", "ana", LATER).total == 2
    assert replayed(db, "ana")[1] == [(1, 0, False), (2, 1, True), (3, 2, False)]
    assert row(db, one.id).expired_at is not None
    assert store_and_publish(db, to_everyone()).frames[0].broadcasts[0].seq == 4


def test_for_some_users_it_stays_as_it_is_for_the_others(db: Database):
    one = member("ana", "ben", "cyd")
    store_and_publish(db, one)

    found = cancel_for(db, one.id, "ana", "nobody", "cyd")

    assert (found.cancelled, found.already_sent) == (0, 2)
    assert told_to(found.taken) == ["ana", "cyd"]
    assert states(db, "ana") == states(db, "cyd") == [(State.CANCELLED, "retracted")]
    assert states(db, "ben") == [(State.PENDING, None)]
    assert own_counts(db, "ana") == (0, 0, 0, 0)
    assert followed(db, one.id)[:2] == (Status.SENT, {"cancelled": 2, "sent": 1})
    again = cancel_for(db, one.id, "ana")
    assert (again.cancelled, again.already_sent) == (0, 0)
    assert told_to(again.taken) == ["ana"], "told again"
    assert cancel(db, one.id) == (0, 1)


def test_for_some_users_of_pages_their_names_are_taken_off_before_they_are_stored(db: Database):
    names = [f"u{number}" for number in range(6)]
    one = member(*names)
    store(db, one, page_size=2)
    store_page(db, one.id, 0)
    db.run(lambda session: pages.mark_pages_published(session, one.id, [0], NOW))

    found = cancel_for(db, one.id, "u1", "u2", "u4", "u5")

    assert (found.cancelled, found.already_sent) == (3, 1)
    assert store_page(db, one.id, 1).names == '["u3"]'
    assert store_page(db, one.id, 2) is None, "nobody is left on it"
    with pytest.raises(pages.Cancelled):
        db.run(lambda session: pages.mark_pages_published(session, one.id, [1], LATER))
    assert db.run(lambda session: pages.end_pages(session, one.id, [1], LATER)) is True
    assert states(db, "u2") == states(db, "u5") == [(State.CANCELLED, "cancelled")]
    assert followed(db, one.id)[:2] == (Status.SENT, {"cancelled": 4, "sent": 2})


def test_of_everyone_nobody_can_be_singled_out(db: Database):
    one = to_everyone()
    store_and_publish(db, one)
    with pytest.raises(ToEveryone):
        cancel_for(db, one.id, "ana")


@pytest.mark.parametrize("blank", [False, True])
def test_what_failed_can_be_cancelled_and_is_no_dead_letter_then(db: Database, blank: bool):
    one = member("ana", "ben")
    db.run(lambda session: store_failed(session, one, error="broken", attempts=8, now_ms=NOW, blank=blank))

    found = db.run(lambda session: cancellations.cancel(session, 1, one.id, now_ms=LATER))

    assert found == Numbers(0 if blank else 2, 0, failed=True)
    assert followed(db, one.id)[0] == Status.CANCELLED
    retried = Member(**{name: getattr(one, name) for name in Member.__slots__} | {"retried": True})
    assert store(db, retried).frames == [], "a retry that was on its way sends nothing"
    assert purged(db) == [one.id]


def test_what_is_scheduled_or_held_is_prevented(db: Database):
    scheduled, held = member("ana", "ben"), member("ana", "ben")
    db.run(lambda session: store_failed(session, scheduled, error="x", attempts=1, now_ms=NOW))
    store_and_publish(db, held)

    def arrange(session: Any) -> None:
        n, d = t.notifications.c, t.deliveries.c
        values = {"status": Status.SCHEDULED, "failed_at": None, "due_at": to_datetime(NOW + DAY_MS)}
        session.execute(update(t.notifications).where(n.id == scheduled.id).values(values))
        wait = {"state": State.HELD, "seq": None, "held_until": to_datetime(NOW + DAY_MS)}
        session.execute(update(t.deliveries).where(d.notification_id == held.id).values(wait))
        nothing = {"last_seq": 0, "total": 0, "unseen": 0, "unread": 0}
        session.execute(update(t.streams).values(nothing))

    db.run(arrange)

    assert cancel_for(db, scheduled.id, "ana").cancelled == 1
    assert cancel(db, scheduled.id) == (1, 0)
    assert row(db, scheduled.id).due_at is None
    assert cancel(db, held.id) == (2, 0)
    take_back(db, held.id)
    assert set(states(db, "ben")) == {(State.CANCELLED, "cancelled")}
    assert own_counts(db, "ben") == (0, 0, 0, 0)
    assert all(one.held_until is None for one in deliveries_of(db, "ben"))


def test_by_key_all_that_was_accepted_until_then_is_found(db: Database):
    make_app(db, "shop")
    early, late = (
        member("ana", cancel_key="order-7"),
        member("ben", cancel_key="order-7", accepted_at=NOW + 9),
    )
    others = [
        member("ana"),
        member("ana", cancel_key="order-8"),
        member("ana", cancel_key="order-7", app="shop"),
    ]
    store_and_publish(db, early, late, *others)

    def found(until: int, **options: Any) -> list[str]:
        with db.session() as session:
            return cancellations.by_key(session, 1, "order-7", until_ms=until, limit=9, **options)

    assert found(NOW) == [early.id]
    assert found(NOW + 9) == [early.id, late.id]
    assert found(NOW + 9, after=early.id) == [late.id]
    cancel(db, early.id)
    assert found(NOW + 9) == [late.id]


def test_what_is_cancelled_before_it_is_stored_is_a_row_and_nobody_gets_it(db: Database):
    whole, some, known = member("ana", "ben"), member("ana", "ben"), to_everyone()
    paged = member("ana", "ben", "cyd")
    with_topic = member(topics=("news",))
    subscribe(db, "news", "ana")
    cancelled = {
        whole.id: None,
        some.id: frozenset({"ben"}),
        known.id: None,
        paged.id: None,
        with_topic.id: None,
    }

    stored = db.run(
        lambda session: store_group_of(session, [whole, some, known, paged, with_topic], cancelled=cancelled)
    )

    assert [item.user for frames in stored.frames for item in frames.items] == ["ana"]
    assert stored.publish_ids == [some.id]
    assert stored.pages == []
    assert states(db, "ben") == [(State.CANCELLED, "cancelled")]
    assert own_counts(db, "ben") == (0, 0, 0, 0)
    for one in (whole, known, paged, with_topic):
        assert followed(db, one.id)[0] == Status.CANCELLED
    assert followed(db, whole.id)[1:] == ({"cancelled": 2}, ["accepted", "stored", "cancelled"])
    with db.session() as session:
        assert apps.require(session, "main").all_seq == 0
    again = store(db, whole, some, known, paged, with_topic)
    assert [item.user for frames in again.frames for item in frames.items] == ["ana"], "the same frames again"


def store_group_of(session: Any, members: list[Member], **options: Any) -> Any:
    return store_group(session, members, now_ms=NOW, push_after_s=30, page_size=2, **options)


def test_a_dead_letter_that_is_retried_goes_to_those_for_whom_it_was_not_cancelled(db: Database):
    one = member("ana", "ben", "cem")
    db.run(lambda session: store_failed(session, one, error="x", attempts=1, now_ms=NOW))
    assert cancel_for(db, one.id, "ben").cancelled == 1

    store_and_publish(db, replace(one, retried=True))

    states = {name: [row.state for row in deliveries_of(db, name)] for name in ("ana", "ben", "cem")}
    assert states == {"ana": ["pending"], "ben": ["cancelled"], "cem": ["pending"]}
    store_and_publish(db, replace(one, retried=True))
    assert [row.state for row in deliveries_of(db, "ben")] == ["cancelled"]


def test_pages_from_which_all_were_cancelled_are_left_out(db: Database):
    names = [f"u{number}" for number in range(10)]
    one = member(*names)
    gone = frozenset(names[3:9])

    stored = db.run(
        lambda s: store_group(s, [one], now_ms=NOW, push_after_s=30, page_size=3, cancelled={one.id: gone})
    )
    for page in stored.pages:
        store_page(db, one.id, page.number)

    assert [len(deliveries_of(db, name)) for name in names] == [int(name not in gone) for name in names]


def test_a_key_finds_for_some_users_what_they_still_have(db: Database):
    theirs, others, waiting = (member(*users, cancel_key="k") for users in (["ana"], ["ben"], ["ben"]))
    store_and_publish(db, theirs, others)
    store_and_publish(db, replace(waiting, send_at=NOW + 1000, expires_at=NOW + 5000))

    def found(*users: str) -> list[str]:
        with db.session() as session:
            return cancellations.by_key(session, 1, "k", until_ms=NOW, limit=10, users=users)

    assert found("ana") == [theirs.id, waiting.id]
    cancel_for(db, theirs.id, "ana")
    assert found("ana") == [waiting.id]
    assert found("ben", "ana") == [others.id, waiting.id]
