"""Jobs of a big audience: who is told, who finds it later, and how a job of several pages goes on or ends."""

import dataclasses

import pytest

from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Page, Queue, Sync
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Since, Streams
from tests.integration.migrating import migrate
from tests.integration.workers.support import entry
from workers.jobs import deliver, page, sync
from workers.outcome import Outcome
from workers.publishing import publish_page

NAMES = [f"u{number:02}" for number in range(23)]
"""Five pages of five, the last of three."""
ALL = range(5)


@pytest.fixture(scope="module")
def database_url(module_database_url: str) -> str:
    """A migrated database on each of the three servers."""
    migrate(module_database_url)
    return module_database_url


@pytest.fixture
def stage(make_stage, redis_url, database_url):
    return make_stage(redis_url, database_url, page_size="5")


class Enqueued:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Page, Queue]] = []

    def enqueue(self, job: Page, *, queue: Queue) -> None:
        self.jobs.append((job, queue))


@pytest.fixture
def deps(stage, monkeypatch):
    monkeypatch.setattr(page, "SLICE_S", 60.0)  # however slow the machine is
    return dataclasses.replace(stage.deps(), queue=Enqueued())


def accept(stage, deps, **changes) -> str:
    """One for all, written down as pages."""
    one = entry(*NAMES, **changes)
    stage.accept(one)
    assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.DONE
    return one.id


def told(stage, *, again: bool = False) -> dict[str, int]:
    """Whose node got a frame, and its number; `again`: they were told more than once."""
    items = [item for one in stage.node.of(envelope.Frames) for item in one.items]
    assert again or len(items) == len({item[0] for item in items}), "somebody was told twice"
    return {item[0]: item[1] for item in items}


def tops(stage) -> list[int]:
    return [row.last_seq for row in stage.rows(t.streams)]


def ended(stage) -> list[int]:
    """Pages that are published."""
    return [row.number for row in stage.rows(t.pages) if row.published_at is not None]


def connect(stage, user: str):
    return stage.node.streams.connect("n1", [("main", user, Since())])[0]


def test_pages_that_follow_one_another_are_one_job(stage, deps):
    id = accept(stage, deps, priority="bulk")

    assert deps.queue.jobs == [(Page(id=id, number=0, pages=5, priority="bulk"), Queue.BULK)]


@pytest.mark.parametrize("online", [[], NAMES[::4], NAMES], ids=["nobody", "some", "all"])
def test_whoever_is_online_is_told_and_everybody_has_it(stage, deps, online):
    stage.node.hold(*online)
    id = accept(stage, deps)

    assert page.run(deps, Page(id=id, number=0, pages=5)) is Outcome.DONE

    assert told(stage) == dict.fromkeys(online, 1)
    assert tops(stage) == [1] * len(NAMES)
    assert ended(stage) == [*ALL]
    assert stage.notification(id).status == "sent"
    for user in online:
        assert len(connect(stage, user).me_tail) == 1
    for user in set(NAMES) - set(online):
        assert connect(stage, user).epoch is None or not connect(stage, user).synced


def test_the_second_time_all_are_known(stage, deps):
    stage.node.hold("u07")
    for _ in range(2):
        page.run(deps, Page(id=accept(stage, deps), number=0, pages=5))

    assert tops(stage) == [2] * len(NAMES)
    assert [frame.seq for frame in connect(stage, "u07").me_tail] == [1, 2]


def test_whoever_comes_between_the_commit_and_the_question_is_told(stage, deps, monkeypatch):
    id, warm = accept(stage, deps), Streams.warm

    def come_first(self, app: str, users: str) -> list[str]:
        connect(stage, "u03")
        return warm(self, app, users)

    monkeypatch.setattr(Streams, "warm", come_first)
    page.run(deps, Page(id=id, number=0))

    assert told(stage) == {"u03": 1}


def test_whoever_comes_after_the_question_finds_it_in_the_database(stage, deps, monkeypatch):
    id, warm = accept(stage, deps), Streams.warm
    came = []

    def come_then(self, app: str, users: str) -> list[str]:
        found = warm(self, app, users)
        came.append(connect(stage, "u03"))
        sync.run(deps, Sync(app="main", users=["u03"], node="n1"))
        came.append(connect(stage, "u03"))
        return found

    monkeypatch.setattr(Streams, "warm", come_then)
    page.run(deps, Page(id=id, number=0))

    # No frame was sent, and the node knew that it must not believe what it read: it asked for a sync, at once.
    assert told(stage) == {}
    assert [one.synced for one in came] == [False, True]
    assert (came[1].me_top, came[1].me_tail) == (1, [])


def test_a_record_of_an_earlier_notification_hides_no_later_one_from_whoever_comes_late(
    stage, deps, monkeypatch
):
    """Published late and out of order, the earlier one finds the user there; the node still does not believe it."""
    first, second, held = accept(stage, deps), accept(stage, deps), []
    with monkeypatch.context() as patch:
        patch.setattr(page, "publish_page", lambda _, stored: held.append(stored))
        page.run(deps, Page(id=first, number=0))
    page.run(deps, Page(id=second, number=0))

    connect(stage, "u03")
    publish_page(deps, held[0])

    late = connect(stage, "u03")
    assert not late.synced
    sync.run(deps, Sync(app="main", users=["u03"], node="n1"))
    assert (connect(stage, "u03").synced, connect(stage, "u03").me_top) == (True, 2)


def test_a_job_whose_time_is_up_hands_the_rest_on(stage, deps, monkeypatch):
    monkeypatch.setattr(page, "SLICE_S", 0.0)
    id = accept(stage, deps, priority="critical")
    [(job, queue)], done = deps.queue.jobs, []

    while queue:
        deps.queue.jobs.clear()
        assert page.run(deps, job) is Outcome.DONE
        done.append(ended(stage))
        job, queue = deps.queue.jobs[0] if deps.queue.jobs else (job, None)
        assert queue in (Queue.CRITICAL, None)

    assert done == [[*range(number + 1)] for number in ALL]
    assert stage.notification(id).status == "sent"


def test_a_page_that_could_not_be_published_is_left_to_the_reconciler_and_the_others_end(
    stage, deps, monkeypatch
):
    stage.node.hold(*NAMES)
    id = accept(stage, deps)

    def publish(deps, stored):
        if stored.number == 1:
            raise RedisUnavailable("gone")
        publish_page(deps, stored)

    with monkeypatch.context() as patch:
        patch.setattr(page, "publish_page", publish)
        with pytest.raises(RedisUnavailable):
            page.run(deps, Page(id=id, number=0, pages=5))
    assert ended(stage) == [0, 2, 3, 4]

    assert page.run(deps, Page(id=id, number=1)) is Outcome.DONE
    assert told(stage) == dict.fromkeys(NAMES, 1)
    assert stage.notification(id).status == "sent"


def test_a_database_that_is_away_ends_the_job_after_what_it_has_stored(stage, deps, monkeypatch):
    stage.node.hold(*NAMES)
    id, real = accept(stage, deps), page.store_page

    def store_page(session, id, number, **more):
        if number == 2:
            raise RedisUnavailable("whatever stops everybody")
        return real(session, id, number, **more)

    with monkeypatch.context() as patch:
        patch.setattr(page, "store_page", store_page)
        with pytest.raises(RedisUnavailable):
            page.run(deps, Page(id=id, number=0, pages=5))

    assert ended(stage) == [0, 1]
    assert sorted(told(stage)) == NAMES[:10]


def test_a_job_does_no_more_pages_than_a_job_may(stage, deps, monkeypatch):
    id, asked = accept(stage, deps), []

    def store_page(_, id, number, **more):
        asked.append(number)

    monkeypatch.setattr(page, "store_page", store_page)

    assert page.run(deps, Page(id=id, number=3, pages=10**9)) is Outcome.NOTHING
    assert asked == [3, 4, 5, 6, 7]


def test_on_pages_too_the_newer_takes_the_place_of_the_older(stage, deps):
    stage.node.hold("u03")
    older, newer = (accept(stage, deps, collapse_key="score") for _ in range(2))
    for id in (older, newer):
        assert page.run(deps, Page(id=id, number=0, pages=5)) is Outcome.DONE

    assert told(stage, again=True)["u03"] == 2
    assert f'"replaces":"{older}"'.encode() in connect(stage, "u03").me_tail[-1].fragment
    assert [row.unread for row in stage.rows(t.streams)] == [1] * len(NAMES)
