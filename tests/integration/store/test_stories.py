"""The list of notifications: each that matches once, in order, after a bounded look, by an index if there is one."""

import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from shared.clock import to_datetime
from shared.db import Database
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store import apps, stories
from shared.store.groups import store_group
from shared.store.notifications import NotificationRow
from shared.store.rows import Member
from shared.store.stories import Wanted
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
    db: Database,
    wanted: Wanted | None = None,
    *,
    limit: int = 2,
    window: int = 5,
    between: Callable[[], None] = lambda: None,
) -> list[NotificationRow]:
    """All pages; `between` is done after each."""
    found: list[NotificationRow] = []
    before: str | None = None
    while True:
        with db.session() as session:
            part = stories.scan(
                session,
                apps.require(session, "main").id,
                wanted or Wanted(),
                before=before,
                limit=limit,
                window=window,
            )
        assert len(part.rows) <= limit
        found += part.rows
        if part.before is None:
            return found
        assert before is None or part.before < before, "the list does not go on"
        before = part.before
        between()


def _ids(rows: list[NotificationRow]) -> list[str]:
    return [row.id for row in rows]


def _set(db: Database, id: str, **values: Any) -> None:
    db.run(
        lambda session: session.execute(
            update(t.notifications).where(t.notifications.c.id == id).values(values)
        )
    )


def test_newest_first_page_by_page_and_only_of_the_own_app(db: Database) -> None:
    make_app(db, "other")
    mine = [member("ana") for _ in range(7)]
    store(db, *mine, member("ana", app="other"))

    assert _ids(_listed(db, limit=3)) == [one.id for one in reversed(mine)]


def test_without_any_the_list_is_empty(db: Database) -> None:
    assert _listed(db) == []
    assert _listed(db, Wanted(event="order.paid")) == []


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        (Wanted(event="door.rang"), {"event": "door.rang"}),
        (Wanted(sender="user:ana"), {"sender": "user:ana"}),
        (Wanted(tag="blue"), {"tags_json": '["red","blue"]'}),
        (Wanted(cancel_key="k"), {"cancel_key": "k"}),
        (Wanted(collapse_key="k"), {"collapse_key": "k"}),
        (Wanted(thread_key="k"), {"thread_key": "k"}),
        (Wanted(thread_key="k", event="door.rang"), {"thread_key": "k", "event": "door.rang"}),
        (Wanted(cancel_key="k", thread_key="k"), {"cancel_key": "k", "thread_key": "k"}),
    ],
)
def test_a_filter_finds_what_matches_wherever_it_lies(
    db: Database, wanted: Wanted, changes: dict[str, Any]
) -> None:
    others = {"cancel_key": "other", "collapse_key": "other", "thread_key": "other", "tags_json": '["red"]'}
    members = [member("ana", **(changes if number in (3, 8, 9, 25) else others)) for number in range(30)]
    store(db, *members)

    assert _ids(_listed(db, wanted)) == [members[number].id for number in (25, 9, 8, 3)]


@pytest.mark.parametrize("tag", ['a"', "100%", "a_b", ",", "é", "\\", '","'])
def test_a_tag_is_found_as_it_is_and_nothing_that_looks_like_it(db: Database, tag: str) -> None:
    lookalikes = ['["x,","y"]', '["axb"]', '["1000"]', '["a\\\\\\""]', '["É"]', "[]"]
    one = member("ana", tags_json=orjson.dumps(["first", tag]).decode())
    store(db, one, *(member("ana", tags_json=tags) for tags in lookalikes))

    assert _ids(_listed(db, Wanted(tag=tag))) == [one.id]


@pytest.mark.parametrize(
    "status", [Status.SCHEDULED, Status.CANCELLED, Status.EXPIRED, Status.FAILED, Status.SENDING]
)
def test_states(db: Database, status: Status) -> None:
    members = [member("ana") for _ in range(12)]
    store_and_publish(db, *members)
    for number in (1, 2, 11):
        _set(db, members[number].id, status=status)

    assert _ids(_listed(db, Wanted(status=status))) == [members[number].id for number in (11, 2, 1)]
    assert _ids(_listed(db, Wanted(status=status, event="other"))) == []
    assert len(_listed(db, Wanted(status=Status.SENT))) == 9


def test_since_and_until_are_the_time_of_acceptance(db: Database) -> None:
    members = [member("ana", id=make_id(number)) for number in (100, 200, 300, 400)]
    store(db, *members)

    found = _listed(db, Wanted(since=NOW + 200, until=NOW + 400))

    assert _ids(found) == [members[2].id, members[1].id]
    assert _listed(db, Wanted(since=2**60)) == []
    assert len(_listed(db, Wanted(since=-5, until=2**60))) == 4


def test_the_rows_have_no_data(db: Database) -> None:
    one = to_everyone("bob", data_json='{"long":"text"}')
    store(db, one)

    (row,) = _listed(db)

    assert (row.id, row.data, row.excluded, row.everyone) == (one.id, "{}", None, True)


def test_what_does_not_match_ends_a_page_at_the_window(db: Database) -> None:
    members = [member("ana", event="rare" if number == 0 else "usual") for number in range(25)]
    store(db, *members)
    with db.session() as session:
        first = stories.scan(session, 1, Wanted(event="rare"), before=None, limit=10, window=10)
        second = stories.scan(session, 1, Wanted(event="rare"), before=first.before, limit=10, window=10)
        third = stories.scan(session, 1, Wanted(event="rare"), before=second.before, limit=10, window=10)

    assert first == ([], members[15].id)
    assert second == ([], members[5].id)
    assert (_ids(third.rows), third.before) == ([members[0].id], None)


@pytest.fixture(scope="module")
def hundred(migrated: Database) -> tuple[Database, list[Member]]:
    """Different ones, in no order of their columns."""
    empty(migrated)
    dice = random.Random(7)
    members = [
        member(
            "ana",
            event=dice.choice(("a", "b")),
            sender=dice.choice(("key:a", "key:b")),
            cancel_key=dice.choice((None, "k", "l")),
            thread_key=dice.choice((None, "k")),
            tags_json=dice.choice(("[]", '["x"]', '["x","y"]')),
        )
        for _ in range(60)
    ]
    store(migrated, *members)
    return migrated, members


_MAYBE = st.none()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    event=_MAYBE | st.sampled_from(("a", "b", "c")),
    sender=_MAYBE | st.sampled_from(("key:a", "key:b")),
    cancel_key=_MAYBE | st.sampled_from(("k", "l")),
    thread_key=_MAYBE | st.just("k"),
    tag=_MAYBE | st.sampled_from(("x", "y")),
    limit=st.integers(1, 7),
    window=st.integers(1, 20),
    arriving=st.booleans(),
)
def test_each_that_matches_comes_once_and_in_order_while_others_arrive(
    hundred: tuple[Database, list[Member]], limit: int, window: int, arriving: bool, **filters: str | None
) -> None:
    db, members = hundred
    tag = filters["tag"]
    expected = [
        one.id
        for one in sorted(members, key=lambda one: one.id, reverse=True)
        if all(getattr(one, name) == value for name, value in filters.items() if value and name != "tag")
        and (tag is None or f'"{tag}"' in one.tags_json)
    ]

    arrived: list[Member] = []

    def arrive() -> None:
        if len(arrived) == 3:
            return
        new = [
            member("bob", event="a", cancel_key="k", thread_key="k", sender="key:a", tags_json='["x","y"]')
        ]
        db.run(lambda session: store_group(session, new, now_ms=NOW, push_after_s=30))
        members.extend(new)
        arrived.extend(new)

    found = _listed(
        db, Wanted(**filters), limit=limit, window=window, between=arrive if arriving else lambda: None
    )

    assert _ids(found) == expected


def test_what_has_an_index_is_read_by_it(db: Database) -> None:
    make_app(db, "other")
    keys = {"cancel_key": "k7", "collapse_key": "k7", "thread_key": "k7"}
    members = [
        member("ana", **(keys if number % 100 == 7 else {}), app="other" if number % 2 else "main")
        for number in range(600)
    ]
    store(db, *members)
    db.run(lambda session: session.execute(text("UPDATE notifications SET status = 'sent'")))
    for one in members[:4]:
        _set(db, one.id, status=Status.SCHEDULED, due_at=to_datetime(NOW))
    analyze(db, "notifications")

    for wanted, index in (
        (Wanted(cancel_key="k7"), "ix_notifications_cancel_key"),
        (Wanted(collapse_key="k7"), "ix_notifications_collapse_key"),
        (Wanted(thread_key="k7"), "ix_notifications_thread_key"),
        (Wanted(status=Status.SCHEDULED), "ix_notifications_rare"),
        (Wanted(status=Status.FAILED), "ix_notifications_rare"),
    ):
        found = plans(db, "notifications", lambda wanted=wanted: _listed(db, wanted, limit=50, window=1000))

        assert found
        assert all(index in plan for plan in found), (wanted, found)
