"""Cancelled at any step of a worker, which may die there: nobody has it in the end, or all were told to drop it."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from api.cancelling import Cancelling
from shared.domain.delivery import OPEN
from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Cancel, Deliver, Expire, Page, Publish
from shared.services import inbox
from shared.services.inbox import Listing
from shared.store import publishing, retractions
from tests.integration.workers.support import Stage, entry, eventually, now_ms
from workers import cancelled
from workers.deps import Deps
from workers.jobs import cancel, deliver, expire, page, publish

DAY_MS = 86_400_000
USERS = ("ana", "ben", "cyd", "dan", "eve")
STEPS_MAX = 60
Answer = dict[str, int]


class Died(BaseException):
    """The worker is gone."""


@dataclass
class Steps:
    """What happens before step `number` of a worker: the cancellation, and perhaps the worker's death."""

    number: int
    act: Callable[[], None]
    dies: bool
    done: int = 0

    def tick(self) -> None:
        self.done += 1
        if self.done == self.number:
            self.act()
            if self.dies:
                raise Died


class Tapped:
    """An adapter whose every call is a step."""

    def __init__(self, real: Any, steps: Steps) -> None:
        self._real, self._steps = real, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            self._steps.tick()
            return found(*args, **options)

        return call


def tapped(deps: Deps, steps: Steps) -> Deps:
    names = ("journal", "tombstones", "database", "publisher", "queue", "cancellations")
    return replace(deps, **{name: Tapped(getattr(deps, name), steps) for name in names})


@pytest.fixture
def stage(make_stage, redis_url: str, postgresql: str) -> Stage:
    found = make_stage(redis_url, postgresql, page_size="2")
    found.node.hold(*USERS)
    return found


@pytest.fixture
def api(stage: Stage) -> Cancelling:
    """The api's part, without HTTP; its jobs are left to the reconciler."""
    deps = stage.deps()
    return Cancelling(deps.cancellations, deps.journal, deps.tombstones, lambda *_: None, clock=deps.clock)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelled, "FORGET_MS", -DAY_MS)


def work(deps: Deps, id: str) -> None:
    """What workers do with an entry: deliver, then its pages."""
    deliver.run(deps, Deliver(ids=[id]))
    with deps.database.session() as session:
        numbers = list(session.scalars(select(t.pages.c.number).where(t.pages.c.notification_id == id)))
    for number in sorted(numbers):
        page.run(deps, Page(id=id, number=number))


def recover(deps: Deps) -> None:
    """What the reconciler and the ticks find, a day later."""
    later = now_ms() + DAY_MS
    for id, _ in deps.journal.due(now_ms=later, limit=9):
        deliver.run(deps, Deliver(ids=[id], rescue=True))
    cancelled.sweep(deps)
    with deps.database.session() as session:
        found = publishing.unpublished(session, older_than_ms=later, limit=99)
        unfinished = retractions.unfinished(session, before_ms=later, limit=9)
    if found.ids:
        publish.run(deps, Publish(ids=found.ids))
    for one in found.pages:
        page.run(deps, Page(id=one.notification_id, number=one.number, rescue=True))
    if unfinished:
        cancel.run(deps, Cancel(ids=unfinished))


def last_words(stage: Stage, id: str) -> dict[str, str]:
    """The last that each user's node was told about a notification."""
    found: dict[str, str] = {}
    for one in stage.node.poll():
        match one:
            case envelope.Frames():
                shown = [item[0] for item in one.items if id.encode() in one.bodies[item[4]][1]]
                found |= dict.fromkeys(shown, "shown")
            case envelope.All() if id.encode() in one.frame.fragment:
                found |= dict.fromkeys(USERS, "shown")
            case envelope.Retract(ids=[taken]) if taken == id:
                users = USERS if one.users is None else [user for user, *_ in one.users]
                found |= dict.fromkeys(users, "taken back")
    return found


def in_tail(stage: Stage, user: str, id: str) -> bool:
    tails = stage.node.streams.tails("main", user, me=0, all=0)
    return any(id.encode() in frame.fragment for frame in (*tails.me_tail, *tails.all_tail))


def in_inbox(stage: Stage, user: str) -> list[str]:
    with stage.database.session() as session:
        return [item["id"] for item in inbox.page(session, "main", user, Listing(), now_ms()).items]


KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...] | None]] = {
    "direct": ({"users": ("ana", "ben")}, None),
    "pages": ({"users": USERS}, None),
    "everyone": ({"users": (), "everyone": True}, None),
    "some of direct": ({"users": ("ana", "ben")}, ("ben",)),
    "some of pages": ({"users": USERS}, ("ana", "dan", "eve")),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
@pytest.mark.parametrize("by", ["id", "key"])
@pytest.mark.parametrize("kind", KINDS)
def test_at_every_step(stage: Stage, api: Cancelling, kind: str, by: str, dies: bool):
    fields, users = KINDS[kind]
    receivers = USERS if kind == "everyone" else fields["users"]
    deps, numbers = stage.deps(), itertools.count(1)
    while (number := next(numbers)) < STEPS_MAX:
        one = entry(*fields["users"], everyone=fields.get("everyone", False), cancel_key=f"key {number}")
        answers: list[Answer] = []

        def act(one: Any = one, answers: list[Answer] = answers) -> None:
            if by == "id":
                answers.append(api.one("main", one.id, users))
            else:
                answers.append(api.keyed("main", one.cancel_key, users))

        stage.accept(one)
        steps = Steps(number, act, dies)
        with suppress(Died):
            work(tapped(deps, steps), one.id)
        if not answers:
            break
        for _ in range(3):
            recover(deps)
        cancelled_for = receivers if users is None else users
        check_one(stage, one.id, receivers, cancelled_for)
        said = answers[0]["cancelled"] + answers[0]["already_sent"]
        expected = 1 if kind == "everyone" else len(cancelled_for)
        # By key nobody counts what is only in the journal.
        assert said == expected or (by == "key" and 0 <= said <= expected), (number, answers)
    assert 5 < number < STEPS_MAX


def check_one(stage: Stage, id: str, receivers: tuple[str, ...], gone: tuple[str, ...]) -> None:
    words = last_words(stage, id)
    for user in receivers:
        has = user not in gone
        assert (words.get(user) == "shown") == has, user
        assert in_tail(stage, user, id) == has, user
        assert (id in in_inbox(stage, user)) == has, user
    states = {row.state for row in stage.rows(t.deliveries) if row.notification_id == id}
    assert gone != receivers or not states & set(OPEN)
    assert stage.client.hlen("journal") == 0
    assert stage.client.keys("journal:cancelled*") == []
    with stage.database.session() as session:
        later = now_ms() + DAY_MS
        left = publishing.unpublished(session, older_than_ms=later, limit=9)
        assert (left.ids, left.pages) == ([], [])
        assert retractions.unfinished(session, before_ms=later, limit=9) == []


def test_a_later_send_of_the_same_key_is_not_cancelled(stage: Stage, api: Cancelling):
    deps = stage.deps()
    early = entry("ana", cancel_key="order-7")
    stage.accept(early)
    assert api.keyed("main", "order-7", None) == {"cancelled": 0, "already_sent": 0}
    later = entry("ana", cancel_key="order-7", accepted_at=now_ms() + 1)
    stage.accept(later)

    deliver.run(deps, Deliver(ids=[early.id, later.id]))

    assert in_inbox(stage, "ana") == [later.id]
    assert stage.notification(early.id).status == "cancelled"
    assert last_words(stage, early.id) == {}
    assert last_words(stage, later.id) == {"ana": "shown"}


@pytest.mark.parametrize("users", [None, ("ana",)])
def test_more_than_one_go_of_a_key_is_ended_by_the_reconciler(
    stage: Stage, api: Cancelling, monkeypatch: pytest.MonkeyPatch, users: tuple[str, ...] | None
):
    deps, ids = stage.deps(), [stage.accept(entry("ana", "ben", cancel_key="k"))[0] for _ in range(5)]
    for id in ids:
        work(deps, id)
    monkeypatch.setattr("api.cancelling.KEYED_MAX", 2)
    monkeypatch.setattr("shared.services.cancellations.KEYED_MAX", 2)

    told = api.keyed("main", "k", users)
    assert told == {"cancelled": 0, "already_sent": 4 if users is None else 2}
    assert len(in_inbox(stage, "ana")) == 3
    recover(deps)

    assert in_inbox(stage, "ana") == []
    assert len(in_inbox(stage, "ben")) == (0 if users is None else 5)
    assert stage.client.keys("journal:cancelled*") == []


def test_a_job_goes_on_where_the_time_of_another_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    deps, one = stage.deps(), entry(*USERS)
    stage.accept(one)
    work(deps, one.id)
    assert deps.cancellations.cancel("main", one.id, None).already_sent == 5
    monkeypatch.setattr(cancel, "SECONDS", 0.0)
    monkeypatch.setattr(retractions.step, "__kwdefaults__", {"limit": 2})
    jobs: list[Any] = []
    deps = replace(deps, queue=type("Queue", (), {"enqueue": lambda _, job: jobs.append(job)})())

    cancel.run(deps, Cancel(ids=[one.id]))
    for job in jobs:
        cancel.run(deps, job)

    assert len(jobs) == 3
    assert last_words(stage, one.id) == dict.fromkeys(USERS, "taken back")
    told = stage.node.of(envelope.Retract)
    assert len(told) == 3, "nobody was told twice"
    assert stage.notification(one.id).expired_at is not None


def test_what_nobody_goes_on_with_gets_a_new_job_from_the_tick(stage: Stage):
    deps, one = stage.deps(), entry("ana")
    stage.accept(one)
    work(deps, one.id)
    deps.cancellations.cancel("main", one.id, None)
    jobs: list[Any] = []
    later = type("Clock", (), {"now_ms": lambda _: now_ms() + 61_000, "monotonic": deps.clock.monotonic})()
    queue = type("Queue", (), {"enqueue": lambda _, job: jobs.append(job)})()

    expire.run(replace(deps, queue=queue), Expire())
    assert jobs == [], "somebody may be at it"
    expire.run(replace(deps, queue=queue, clock=later), Expire())
    assert jobs == [Cancel(ids=[one.id])]
    expire.run(replace(deps, queue=queue, clock=later), Expire())
    assert len(jobs) == 1, "claimed"
    cancel.run(deps, jobs[0])
    assert in_inbox(stage, "ana") == []


@pytest.fixture
def running(stage: Stage) -> Stage:
    stage.worker()
    return stage


def test_a_real_worker_cancels_what_waits_for_it(running: Stage, api: Cancelling):
    one, other = entry("ana", "ben"), entry("ana", "ben")
    running.accept(one, other)
    assert api.one("main", one.id, None) == {"cancelled": 2, "already_sent": 0}
    assert api.one("main", one.id, None) == {"cancelled": 0, "already_sent": 0}
    assert api.one("main", other.id, ["ben"]) == {"cancelled": 1, "already_sent": 0}

    running.queue.enqueue(Deliver(ids=[one.id, other.id]))

    eventually(lambda: running.published([one.id, other.id]))
    eventually(lambda: not running.client.keys("journal:cancelled*"))
    assert (in_inbox(running, "ana"), in_inbox(running, "ben")) == ([other.id], [])
    assert last_words(running, one.id) == {}
