"""Schedules against real databases: each instant gets one run, whoever looks, however often and how many at once."""

import itertools
import multiprocessing
from collections import Counter
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import to_datetime, to_ms
from shared.db import Database
from shared.ids import uuid7
from shared.models import tables as t
from shared.protocol import firing
from shared.store import schedule_runs as runs
from shared.store import schedules, users
from tests.integration.store.firing import fire
from tests.integration.store.support import NOW, make_app, make_id, member, store_and_publish

HOUR = 3_600_000
PROCESSES = 4
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.integration.store.firing"])
_noise = itertools.count(1)


def new_id(now_ms: int) -> str:
    return uuid7(now_ms, next(_noise).to_bytes(10, "big"))


def make(db: Database, **changes: Any) -> str:
    """A schedule of each second, due at NOW."""
    values = {
        "id": make_id(),
        "app_id": 1,
        "every": 1,
        "timezone": "UTC",
        "catch_up": "once",
        "notification": "{}",
        "entry": '{"v":1}\n{}',
        "sender": "key:abcdefgh",
        "next_at": to_datetime(NOW),
        "created_at": to_datetime(NOW - HOUR),
        "updated_at": to_datetime(NOW - HOUR),
        **changes,
    }
    db.run(lambda session: schedules.add(session, values))
    return str(values["id"])


def claim(db: Database, now_ms: int, **options: Any) -> runs.Claimed:
    return db.run(lambda session: runs.claim_due(session, now_ms=now_ms, new_id=new_id, **options))


def row(db: Database, id: str) -> schedules.ScheduleRow:
    with db.session() as session:
        found = schedules.find(session, 1, id)
    assert found is not None
    return found


def told(db: Database, id: str) -> list[tuple[int, str]]:
    """(instant, reason) of its runs, the oldest first, in ms from NOW."""
    with db.session() as session:
        found = runs.page(session, id, limit=100_000)
    return [(to_ms(one.fire_at) - NOW, one.reason) for one in reversed(found)]


def test_what_is_due_gets_a_run_and_moves_on(db: Database) -> None:
    id = make(db)

    claimed = claim(db, NOW + 2300)

    assert (claimed.schedules, claimed.runs, claimed.more) == (1, 3, False)
    assert told(db, id) == [(0, "due"), (1000, "due"), (2000, "due")]
    assert row(db, id).due_at == NOW + 3000
    assert claim(db, NOW + 2300).schedules == 0


def test_what_is_not_due_paused_or_over_is_left_alone(db: Database) -> None:
    later = make(db, next_at=to_datetime(NOW + 1))
    make(db, next_at=None, paused_at=to_datetime(NOW))
    assert claim(db, NOW).schedules == 0
    with db.session() as session:
        assert not runs.anything_to_do(session, now_ms=NOW)
        assert runs.anything_to_do(session, now_ms=NOW + 1)
    assert told(db, later) == []


def test_a_clock_put_back_fires_nothing_twice(db: Database) -> None:
    id = make(db)
    claim(db, NOW + 5000)
    assert claim(db, NOW - HOUR).schedules == 0
    # A change of the schedule, by a process whose clock is back, computes instants again that have fired.
    db.run(lambda session: schedules.change(session, id, {"next_at": to_datetime(NOW)}, now_ms=NOW - HOUR))

    assert claim(db, NOW + 7000).runs == 2

    assert told(db, id) == [(n * 1000, "due") for n in range(8)]


def test_a_clock_put_forward_fires_what_catch_up_says_and_goes_on(db: Database) -> None:
    ids = {catch_up: make(db, every=600, catch_up=catch_up) for catch_up in ("skip", "once", "all")}

    claim(db, NOW + HOUR + 500)

    assert [reason for _, reason in told(db, ids["skip"])] == ["skipped", "due"]
    assert told(db, ids["once"])[-2:] == [(HOUR - 600_000, "catch_up"), (HOUR, "due")]
    assert [reason for _, reason in told(db, ids["all"])] == ["catch_up"] * 6 + ["due"]
    assert {row(db, id).due_at for id in ids.values()} == {NOW + HOUR + 600_000}


def test_the_key_holds_even_if_somebody_does_not_look(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make(db)
    claim(db, NOW)
    db.run(lambda session: session.execute(update(t.schedules).values(next_at=to_datetime(NOW))))
    monkeypatch.setattr(runs, "_missing", lambda _, values: values)

    with pytest.raises(IntegrityError):
        claim(db, NOW)


def test_the_one_that_is_to_be_skipped_gets_a_run_without_a_notification(db: Database) -> None:
    id = make(db, skip_at=to_datetime(NOW + 1000))
    claim(db, NOW + 2000)
    assert told(db, id) == [(0, "due"), (1000, "skipped"), (2000, "due")]
    assert row(db, id).skip_at is None
    with db.session() as session:
        assert len(runs.unentered(session, limit=10)) == 2


def test_a_zone_that_is_gone_pauses_its_schedule_and_no_other(db: Database) -> None:
    bad = make(db, cron="0 9 * * *", every=None, timezone="Mars/Olympus")
    good = make(db)
    claim(db, NOW)
    assert (row(db, bad).next_at, row(db, bad).paused_at) == (None, to_datetime(NOW))
    assert told(db, good) == [(0, "due")]


def test_one_transaction_is_bounded_in_schedules_and_in_runs(db: Database) -> None:
    old = {"next_at": to_datetime(NOW - HOUR), "created_at": to_datetime(NOW - 2 * HOUR)}
    ids = [make(db, catch_up="all", **old) for _ in range(3)]
    assert claim(db, NOW, limit=2).more
    assert [row(db, id).due_at for id in ids] == [NOW + 1000, NOW - HOUR, NOW - HOUR]
    claimed = claim(db, NOW)
    # A thousand and some runs: enough for one transaction, so the last schedule waits for the next.
    assert (claimed.schedules, claimed.more) == (1, True)
    assert (claim(db, NOW).schedules, claim(db, NOW).schedules) == (1, 0)


def test_runs_wait_until_they_are_entered(db: Database) -> None:
    id = make(db)
    claim(db, NOW + 2000)
    with db.session() as session:
        waiting = runs.unentered(session, limit=2)
        assert [one.schedule_id for one in waiting] == [id, id]
        assert runs.entries_of(session, {id, make_id()}) == {id: '{"v":1}\n{}'}
        assert runs.unentered(session, limit=2, without={id}) == []
    db.run(lambda s: runs.mark_entered(s, [one.notification_id for one in waiting], now_ms=NOW + 2001))
    with db.session() as session:
        [last] = runs.unentered(session, limit=10)
        assert runs.anything_to_do(session, now_ms=NOW)
    db.run(lambda s: runs.mark_entered(s, [last.notification_id], now_ms=NOW + 2001))
    with db.session() as session:
        assert not runs.anything_to_do(session, now_ms=NOW)


def test_a_run_now_is_beside_the_instants_and_once_for_its_key(db: Database) -> None:
    id = make(db)

    def run_now(key: str | None) -> tuple[runs.RunRow, bool]:
        return db.run(lambda s: runs.run_now(s, id, now_ms=NOW, new_id=new_id, request_key=key))

    first, again = run_now("k" * 64), run_now("k" * 64)
    assert (first[1], again[1]) == (False, True)
    assert first[0] == again[0]
    claim(db, NOW)
    assert told(db, id) == [(0, "due"), (1, "run_now")]


def test_a_schedule_that_is_removed_takes_what_waits_along_and_leaves_the_rest(db: Database) -> None:
    id, other = make(db), make(db)
    claim(db, NOW)
    with db.session() as session:
        [mine] = [one for one in runs.unentered(session, limit=9) if one.schedule_id == id]
    db.run(lambda s: runs.mark_entered(s, [mine.notification_id], now_ms=NOW))
    claim(db, NOW + 1000)

    make_app(db, "shop")
    assert not db.run(lambda s: schedules.remove(s, 2, id))
    assert db.run(lambda s: schedules.remove(s, 1, id))
    assert not db.run(lambda s: schedules.remove(s, 1, id))

    assert told(db, id) == [(0, "due")]
    assert len(told(db, other)) == 2


def test_old_runs_are_purged_in_steps_but_not_those_that_wait(db: Database) -> None:
    id = make(db)
    claim(db, NOW + 5000)
    with db.session() as session:
        waiting = runs.unentered(session, limit=9)
    db.run(lambda s: runs.mark_entered(s, [one.notification_id for one in waiting[:5]], now_ms=NOW))

    def purge(before: int) -> int:
        return db.run(lambda s: runs.purge(s, before, limit=3))

    assert purge(NOW + 5000) == 0
    assert [purge(NOW + 5001) for _ in range(3)] == [3, 2, 0]
    assert told(db, id) == [(5000, "due")]


def test_lists_are_of_one_app_and_go_on_where_they_ended(db: Database) -> None:
    mine = [make(db) for _ in range(3)]
    make_app(db, "shop")
    with db.session() as session:
        other = session.scalar(select(t.apps.c.id).where(t.apps.c.name == "shop"))
    make(db, app_id=other)
    with db.session() as session:
        first = schedules.page(session, 1, limit=2)
        rest = schedules.page(session, 1, after=first[-1].id, limit=2)
    assert [one.id for one in (*first, *rest)] == mine
    assert not db.run(lambda s: schedules.room(s, 1, most=3))
    assert db.run(lambda s: schedules.room(s, 1, most=4))


@pytest.mark.timeout(120)
def test_an_erased_user_is_in_no_schedule_any_more(db: Database) -> None:
    one = member("ana", "ben", exclude=("ana", "cem"))
    asked = {"to": {"users": ["ana", "ben"], "exclude": {"users": ["ana"]}, "exclude_actor": "ana"}}
    id = make(db, entry=firing.template(one), notification=orjson.dumps(asked).decode())
    other = make(db, entry=firing.template(member("anabel")))
    store_and_publish(db, member("ana"))

    db.run(lambda session: users.erase(session, 1, "ana", now_ms=NOW))

    found = firing.fired(row(db, id).entry, schedule=id, id=one.id, at=NOW)
    assert (found.users, found.exclude) == (("ben",), ("cem",))
    assert orjson.loads(row(db, id).notification) == {"to": {"users": ["ben"], "exclude": {"users": []}}}
    assert "anabel" in row(db, other).entry


def test_many_processes_fire_each_instant_once(db: Database) -> None:
    """Each looks as often as it can, at moments that overlap; all see the same schedules."""
    ids = [make(db, catch_up="all", every=1 + number % 3) for number in range(12)]
    url = db.engine.url.render_as_string(hide_password=False)
    moments = [NOW + n * 700 for n in range(40)]
    # One is behind the others, one ahead: their clocks need not agree.
    children = []
    for number in range(PROCESSES):
        parent, child = FRESH.Pipe()
        shifted = [moment + (number - 1) * 400 for moment in moments]
        process = FRESH.Process(target=fire, args=(url, shifted, child, number), daemon=True)
        process.start()
        children.append((process, parent))
    counts = []
    for process, parent in children:
        assert parent.poll(60), "a process has said nothing for 60 seconds"
        counts.append(parent.recv())
        process.join(10)

    last = max(moments) + (PROCESSES - 2) * 400
    # Whoever looked last may have passed over what another one held just then: the next tick finds it.
    counts.append(claim(db, last).runs)
    for number, id in enumerate(ids):
        step = (1 + number % 3) * 1000
        anchor = NOW - HOUR
        wanted = [at for at in range(anchor, last + 1, step) if at >= NOW]
        assert told(db, id) == [(at - NOW, "due") for at in wanted], id
    with db.session() as session:
        r = t.schedule_runs.c
        notifications = list(session.scalars(select(r.notification_id)))
    assert max(Counter(notifications).values()) == 1
    assert sum(counts) == len(notifications)
