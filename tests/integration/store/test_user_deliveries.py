"""What became of everything that was for one user: each once, whichever of the three lists it is in."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from shared.clock import to_datetime, to_ms
from shared.db import Database
from shared.models import tables as t
from shared.services import inbox
from shared.store import apps, user_deliveries, users
from shared.store.expiry import expire_due
from shared.store.receipts import ACK_GRACE_MS, apply_acks
from shared.store.user_deliveries import FIRST, Item, Query
from tests.integration.store.plans import analyze, plans
from tests.integration.store.support import (
    NOW,
    empty,
    make_app,
    make_id,
    member,
    store,
    store_and_publish,
    to_everyone,
)


def _listed(
    db: Database, name: str = "ana", *, limit: int = 100, now: int = NOW, **filters: Any
) -> list[Item]:
    """All pages."""
    found: list[Item] = []
    at = FIRST
    seen = set()
    while True:
        with db.session() as session:
            app = apps.require(session, "main")
            user = users.get(session, app.id, name)
            assert user is not None
            query = Query(at, limit, **filters)
            items, following = user_deliveries.page(session, app.id, user, query, now_ms=now)
        assert len(items) <= limit
        found += items
        if following is None:
            return found
        assert following not in seen, "the list does not go on"
        seen.add(following)
        at = following


def _story(items: list[Item]) -> list[tuple[str, str, str | None]]:
    return [(item.notification_id, item.state, item.reason) for item in items]


def _set(db: Database, id: str, **values: Any) -> None:
    where = t.deliveries.c.notification_id == id
    db.run(lambda session: session.execute(update(t.deliveries).where(where).values(values)))


def _ack(db: Database, me: int, all: int = 0) -> None:
    db.run(lambda session: apply_acks(session, [("main", "ana", me, all)], NOW + 30))


def test_why_this_user_got_it_or_not(db: Database) -> None:
    late = member("ana", expires_at=NOW)
    acked, sent, waiting, held, skipped = (member("ana", "bob") for _ in range(5))
    store_and_publish(db, late, acked, sent)
    store(db, waiting)
    store_and_publish(db, held, skipped)
    _set(db, held.id, state="held", reason="local_time", held_until=to_datetime(NOW + 60_000), seq=None)
    _set(db, skipped.id, state="skipped", reason="frequency_cap", seq=None)
    _ack(db, 1)

    found = _listed(db)

    assert _story(found) == [
        (skipped.id, "skipped", "frequency_cap"),
        (held.id, "held", "local_time"),
        (waiting.id, "pending", None),
        (sent.id, "sent", None),
        (acked.id, "delivered", None),
        (late.id, "expired", None),
    ]
    by_id = {item.notification_id: item for item in found}
    assert (by_id[held.id].seq, by_id[held.id].sent_at) == (None, None)
    assert to_ms(by_id[held.id].held_until or to_datetime(0)) == NOW + 60_000
    assert (by_id[sent.id].seq, to_ms(by_id[sent.id].sent_at or to_datetime(0))) == (2, NOW)
    assert (by_id[waiting.id].seq, by_id[waiting.id].sent_at) == (3, None)
    assert to_ms(by_id[acked.id].delivered_at or to_datetime(0)) == NOW + 30
    assert to_ms(by_id[sent.id].accepted_at) == NOW - 5
    assert (by_id[sent.id].event, by_id[sent.id].stream) == ("order.paid", "me")


def test_what_was_released_was_sent_then_and_not_before_it_is_published(db: Database) -> None:
    one = member("ana")
    store_and_publish(db, one)
    _set(db, one.id, held_until=to_datetime(NOW + 5), released_at=to_datetime(NOW + 9))
    (before,) = _listed(db)
    _set(db, one.id, held_until=None)
    (after,) = _listed(db)

    assert (before.state, before.sent_at) == ("pending", None)
    assert (after.state, after.sent_at, after.released_at) == (
        "sent",
        to_datetime(NOW + 9),
        to_datetime(NOW + 9),
    )


def test_what_went_to_everyone_is_told_of_each_user(db: Database) -> None:
    store(db, member("ana", "bob"))
    over = to_everyone(expires_at=NOW + 50)
    without, read, acked, new = to_everyone("ana"), to_everyone(), to_everyone(), to_everyone()
    store_and_publish(db, over, without, read, acked)
    store(db, new)
    db.run(lambda session: inbox.mark(session, "main", "ana", "read", [read.id], NOW + 40))

    told = {item.notification_id: item for item in _listed(db, now=NOW + 60) if item.stream == "all"}

    assert {id: (item.state, item.reason, item.seq) for id, item in told.items()} == {
        over.id: ("expired", None, 1),
        without.id: ("skipped", "excluded", None),
        read.id: ("delivered", None, 3),
        acked.id: ("sent", None, 4),
        new.id: ("pending", None, 5),
    }
    assert to_ms(told[read.id].read_at or to_datetime(0)) == NOW + 40
    _ack(db, 0, 4)
    states = [item.state for item in _listed(db, now=NOW + 60) if item.stream == "all"]
    assert states == ["pending", "delivered", "delivered", "skipped", "delivered"]


def test_what_ended_before_the_user_existed_was_not_for_that_user(db: Database) -> None:
    store_and_publish(db, to_everyone(expires_at=NOW + 10))
    store(db, member("ana"), now=NOW + 20)

    assert [item.stream for item in _listed(db, now=NOW + 30)] == ["me"]


def test_only_ones_own_and_only_of_the_own_app(db: Database) -> None:
    make_app(db, "other")
    store(db, member("bob"), member("ana", app="other"), to_everyone(app="other"), mine := member("ana"))

    assert [item.notification_id for item in _listed(db)] == [mine.id]


def test_filters(db: Database) -> None:
    old = member("ana", accepted_at=NOW - 5000, event="door.rang")
    expired = member("ana", expires_at=NOW + 10)
    new = member("ana", event="door.rang")
    store_and_publish(db, old, expired, new, broadcast := to_everyone(event="door.rang"))
    db.run(lambda session: expire_due(session, NOW + 10 + ACK_GRACE_MS))

    def ids(**filters: Any) -> list[str]:
        return [item.notification_id for item in _listed(db, limit=1, now=NOW + 20, **filters)]

    assert ids(event="door.rang") == [broadcast.id, new.id, old.id]
    assert ids(state="expired") == [expired.id]
    assert ids(state="sent", event="door.rang") == [broadcast.id, new.id, old.id]
    assert ids(since=NOW - 1000) == [broadcast.id, new.id, expired.id]
    assert ids(state="held") == []


def test_a_page_looks_at_a_window_of_each_list_and_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_deliveries, "WINDOW", 3)
    members = [member("ana", event="rare" if number % 7 == 0 else "usual") for number in range(20)]
    store_and_publish(db, *members, *(to_everyone() for _ in range(8)))

    found = _listed(db, limit=2, event="rare")

    assert [item.notification_id for item in found] == [members[14].id, members[7].id, members[0].id]


def test_it_is_read_by_the_place_in_the_stream_however_much_others_got(db: Database) -> None:
    mine, others = [member("ana") for _ in range(3)], [member("bob", "cy") for _ in range(300)]
    store_and_publish(db, *mine, *others)
    for one in (mine[0], *others[::2]):
        _set(db, one.id, state="skipped", reason="frequency_cap", seq=None)
    analyze(db, "deliveries", "notifications")

    found = plans(db, "deliveries", lambda: _listed(db, limit=2))

    assert len(found) >= 4
    assert all("uq_deliveries_user_id_seq" in plan or "autoindex_deliveries_2" in plan for plan in found), (
        found
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(("own", "held", "all", "excluded", "marked", "others")), max_size=14),
    limit=st.integers(1, 5),
)
def test_each_comes_once_and_the_newest_first_whatever_there_is(
    migrated: Database, kinds: list[str], limit: int
) -> None:
    empty(migrated)
    # The user is there before anything is sent.
    store(migrated, first := member("ana", "bob"))
    expected = []
    for kind in kinds:
        id = make_id()
        match kind:
            case "own" | "held":
                one = member("ana", id=id)
            case "others":
                one = member("bob", id=id)
            case "excluded":
                one = to_everyone("ana", id=id)
            case _:
                one = to_everyone(id=id)
        store_and_publish(migrated, one)
        if kind == "held":
            _set(migrated, id, state="held", reason="local_time", seq=None)
        if kind == "marked":
            migrated.run(lambda session, one=one: inbox.mark(session, "main", "ana", "seen", [one.id], NOW))
        if kind != "others":
            expected.append(id)

    found = [item.notification_id for item in _listed(migrated, limit=limit)]

    assert found == [*reversed(expected), first.id]
