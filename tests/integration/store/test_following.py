"""What a sender is told about a notification."""

import pytest

from shared.clock import to_ms
from shared.db import Database
from shared.services import inbox
from shared.store import apps, deliveries, notifications
from shared.store.expiry import expire_due
from shared.store.notifications import NotificationRow
from shared.store.pages import store_page
from shared.store.publishing import mark_published
from shared.store.receipts import ACK_GRACE_MS, apply_acks
from shared.store.rescues import store_failed
from tests.integration.store.support import (
    NOW,
    make_app,
    make_id,
    member,
    store,
    store_and_publish,
    to_everyone,
)

Told = tuple[str, dict[str, int], list[str]]


def _row(db: Database, id: str, app: str = "main") -> NotificationRow | None:
    with db.session() as session:
        return notifications.find(session, apps.require(session, app).id, id)


def _told(db: Database, id: str) -> Told:
    """Status, counts, and hops."""
    row = _row(db, id)
    assert row is not None
    with db.session() as session:
        counts = notifications.counts(session, row)
        hops = [hop.hop for hop in notifications.timeline(session, row)]
    return notifications.status_of(row, counts), counts, hops


def _ack(db: Database, user: str, me: int, all: int = 0) -> None:
    db.run(lambda session: apply_acks(session, [("main", user, me, all)], NOW + 30))


def test_the_way_of_a_notification(db: Database) -> None:
    one = member("ana", "ben")
    store(db, one, now=NOW + 10)
    assert _told(db, one.id) == ("sending", {"pending": 2}, ["accepted", "stored"])

    db.run(lambda session: mark_published(session, [one.id], NOW + 20))
    assert _told(db, one.id) == ("sent", {"sent": 2}, ["accepted", "stored", "published"])

    _ack(db, "ana", 1)
    way = ["accepted", "stored", "published", "delivered_first"]
    assert _told(db, one.id) == ("sent", {"delivered": 1, "sent": 1}, way)

    _ack(db, "ben", 1)
    assert _told(db, one.id) == ("completed", {"delivered": 2}, way)


def test_times_of_the_way_are_those_of_the_steps(db: Database) -> None:
    one = member("ana", accepted_at=NOW - 7)
    store(db, one, now=NOW + 10)
    db.run(lambda session: mark_published(session, [one.id], NOW + 20))
    _ack(db, "ana", 1)

    row = _row(db, one.id)
    assert row is not None
    with db.session() as session:
        at = {hop.hop: to_ms(hop.at) for hop in notifications.timeline(session, row)}

    assert at == {"accepted": NOW - 7, "stored": NOW + 10, "published": NOW + 20, "delivered_first": NOW + 30}


def test_expired_ones_say_so(db: Database) -> None:
    one, late = member("ana", expires_at=NOW + 100), member("ana", expires_at=NOW)
    store_and_publish(db, one, late)
    db.run(lambda session: expire_due(session, NOW + 100 + ACK_GRACE_MS))

    assert _told(db, one.id) == ("completed", {"expired": 1}, ["accepted", "stored", "published", "expired"])
    assert _told(db, late.id) == ("expired", {"expired": 1}, ["accepted", "stored", "expired"])


def test_receivers_of_pages_that_are_not_stored_yet_are_pending(db: Database) -> None:
    one = member(*(f"u{number}" for number in range(5)))
    store(db, one, page_size=2)
    db.run(lambda session: store_page(session, one.id, 0, now_ms=NOW, push_after_s=30))

    assert _told(db, one.id)[:2] == ("sending", {"pending": 5})


def test_to_everyone_counts_who_has_acknowledged_it_and_is_never_completed(db: Database) -> None:
    one = to_everyone()
    store(db, member("ana", "ben", "cleo"))
    store_and_publish(db, one)
    _ack(db, "ana", 0, 1)
    _ack(db, "ben", 1, 1)

    assert _told(db, one.id)[:2] == ("sent", {"delivered": 2})


def test_one_for_nobody_is_completed(db: Database) -> None:
    one = member("ana", exclude=("ana",))
    store(db, one)

    assert _told(db, one.id) == ("completed", {}, ["accepted", "stored"])


def test_a_failed_one_gives_its_reason(db: Database) -> None:
    one = member("ana", "ben")
    db.run(lambda session: store_failed(session, one, error="broken", attempts=3, now_ms=NOW))

    status, counts, hops = _told(db, one.id)

    assert (status, counts, hops[-1]) == ("failed", {"failed": 2}, "failed")


@pytest.mark.parametrize("id", ["", "x", "0199c450-0000-4000-8000-000000000000", "' or 1=1 --"])
def test_what_is_no_id_is_not_found(db: Database, id: str) -> None:
    assert _row(db, id) is None


def test_a_foreign_app_finds_nothing(db: Database) -> None:
    make_app(db, "other")
    one = member("ana")
    store(db, one)

    assert _row(db, one.id, "other") is None
    assert _row(db, make_id()) is None
    assert _row(db, one.id) is not None


def test_deliveries_come_page_by_page_and_by_state(db: Database) -> None:
    names = [f"u{number}" for number in range(7)]
    one = member(*names)
    store_and_publish(db, one)
    _ack(db, "u2", 1)
    db.run(lambda session: inbox.mark(session, "main", "u4", "read", [one.id], NOW + 40))
    row = _row(db, one.id)
    assert row is not None

    def listed(state: str | None, limit: int = 100) -> dict[str, str]:
        found: dict[str, str] = {}
        after = 0
        with db.session() as session:
            while part := deliveries.page(session, row, state=state, after=after, limit=limit):
                assert len(part) <= limit
                found |= {each.user: each.state for each in part}
                after = part[-1].user_id
        return found

    everyone = listed(None, limit=3)
    assert sorted(everyone) == names
    assert listed("delivered") == {"u2": "delivered", "u4": "delivered"}
    assert sorted(listed("sent", limit=2)) == ["u0", "u1", "u3", "u5", "u6"]
    assert listed("pending") == {}
    with pytest.raises(ValueError, match="lost"):
        listed("lost")


def test_a_delivery_tells_its_times(db: Database) -> None:
    one = member("ana")
    store(db, one)
    row = _row(db, one.id)
    assert row is not None
    with db.session() as session:
        (before,) = deliveries.page(session, row)
    assert (before.state, before.seq, before.sent_at, before.delivered_at) == ("pending", 1, None, None)

    db.run(lambda session: mark_published(session, [one.id], NOW + 20))
    db.run(lambda session: inbox.mark(session, "main", "ana", "read", [one.id], NOW + 40))
    row = _row(db, one.id)
    assert row is not None
    with db.session() as session:
        (after,) = deliveries.page(session, row)

    assert after.sent_at is not None
    assert after.read_at is not None
    assert (to_ms(after.sent_at), to_ms(after.read_at), after.state) == (NOW + 20, NOW + 40, "delivered")
