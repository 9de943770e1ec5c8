"""Serving the wishes of sessions: patience, tails, jobs; the tail of everyone is read once for all."""

from typing import Any

import gevent
import pytest

from shared.protocol.envelope import TailFrame
from shared.protocol.jobs import Replay, Sync
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Tails
from wsnode import repairs as module
from wsnode.events import AskReplay, AskSync, ReadTail, WaitGap
from wsnode.repairs import Repairs


class Peer:
    def __init__(self, user: str) -> None:
        self.app, self.user, self.name, self.open = "main", user, f"n1.{user}", True
        self.found: list[tuple[int, Tails]] = []
        self.late: list[int] = []

    def tails(self, step: int, found: Tails) -> None:
        self.found.append((step, found))

    def overdue(self, step: int) -> None:
        self.late.append(step)


class Redis:
    """Streams and jobs in one."""

    def __init__(self) -> None:
        self.reads: list[tuple[str, int, int]] = []
        self.jobs: list[Any] = []
        self.errors: list[Exception] = []

    def tails(self, app: str, user: str, *, me: int, all: int) -> Tails:
        if self.errors:
            raise self.errors.pop()
        self.reads.append((user, me, all))
        mine = [TailFrame(seq, seq - 1, 9, b"m") for seq in range(me + 1, 5)]
        return Tails("e", 4, 9, mine, [TailFrame(seq, seq - 1, 9, b"a") for seq in range(all + 1, 10)])

    def put(self, job: Any, failed: Any) -> None:
        self.jobs.append((job, failed))


@pytest.fixture
def redis():
    return Redis()


@pytest.fixture
def repairs(redis, monkeypatch):
    monkeypatch.setattr(module, "BACK_OFF", 0.001)
    repairs = Repairs("n1", redis, redis, hold_gap=0.25, deadline=10)
    greenlets = repairs.start()
    yield repairs
    gevent.killall(greenlets)


def settle(condition) -> None:
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.001)


def test_a_gap_and_an_answer_have_their_time(repairs):
    peer = Peer("ana")
    repairs.ask(peer, WaitGap(1), 100.0)
    repairs.ask(peer, AskReplay(2, 1, 5, None), 100.0)
    repairs.sweep(100.2)
    assert peer.late == []
    repairs.sweep(100.3)
    assert peer.late == [1]
    repairs.sweep(110.1)
    assert peer.late == [1, 2]


def test_a_lost_broadcast_is_read_once_for_everybody(repairs, redis):
    peers = [Peer(f"u{number}") for number in range(100)]
    for number, peer in enumerate(peers):
        repairs.ask(peer, ReadTail(number, None, 5 + number % 3), 0.0)
    settle(lambda: all(peer.found for peer in peers))
    assert len(redis.reads) == 1
    for number, peer in enumerate(peers):
        step, found = peer.found[0]
        assert (step, found.me_top, found.all_top, found.me_tail) == (number, None, 9, [])
        assert [frame.seq for frame in found.all_tail] == list(range(6 + number % 3, 10))


def test_a_users_own_tail_is_read_for_that_user_alone(repairs, redis):
    one, two = Peer("ana"), Peer("bob")
    repairs.ask(one, ReadTail(1, 2, None), 0.0)
    repairs.ask(two, ReadTail(2, 3, 8), 0.0)
    settle(lambda: one.found and two.found)
    assert [frame.seq for frame in one.found[0][1].me_tail] == [3, 4]
    assert one.found[0][1].all_tail == []
    assert [frame.seq for frame in two.found[0][1].all_tail] == [9]


def test_a_redis_that_is_away_is_asked_again(repairs, redis):
    redis.errors = [RedisUnavailable(), RedisUnavailable()]
    peer = Peer("ana")
    repairs.ask(peer, ReadTail(1, 2, None), 0.0)
    settle(lambda: peer.found)
    assert peer.late == []


def test_a_tail_that_cannot_be_read_is_given_up(repairs, redis):
    redis.errors = [ValueError("not a member of ours")]
    peer = Peer("ana")
    repairs.ask(peer, ReadTail(1, 2, None), 0.0)
    settle(lambda: peer.late == [1])


def test_a_replay_names_the_connection_and_a_sync_is_asked_once_for_a_user(repairs, redis):
    one, two = Peer("ana"), Peer("ana")
    repairs.ask(one, AskReplay(1, 2, 5, None), 0.0)
    repairs.ask(one, AskSync(3), 0.0)
    repairs.ask(two, AskSync(None), 1.0)
    settle(lambda: len(redis.jobs) == 2)
    assert [job for job, _ in redis.jobs] == [
        Replay(app="main", user="ana", node="n1", connection="n1.ana", attempt=2, me=5, all=None),
        Sync(app="main", users=["ana"], node="n1"),
    ]


@pytest.mark.parametrize("how", ["answered", "not enqueued", "too long ago"])
def test_a_sync_is_asked_again_when_the_first_is_over(repairs, redis, how):
    peer = Peer("ana")
    repairs.ask(peer, AskSync(None), 0.0)
    settle(lambda: redis.jobs)
    if how == "answered":
        repairs.synced("main", ["ana"])
    elif how == "not enqueued":
        redis.jobs[0][1]()
    else:
        repairs.sweep(9.1)
    repairs.ask(peer, AskSync(None), 9.2)
    settle(lambda: len(redis.jobs) == 2)


def test_everybody_who_comes_at_once_is_synced_by_a_few_jobs(repairs, redis):
    for number in range(250):
        repairs.ask(Peer(f"u{number}"), AskSync(number), 0.0)
    settle(lambda: len(redis.jobs) == 3)
    named = [user for job, _ in redis.jobs for user in job.users]
    assert named == [f"u{number}" for number in range(250)]


@pytest.mark.parametrize("ends", ["answered", "not enqueued", "too long ago"])
def test_those_who_follow_already_are_synced_one_job_at_a_time_behind_those_who_wait(repairs, redis, ends):
    for number in range(250):
        repairs.ask(Peer(f"u{number}"), AskSync(None), 0.0)
    settle(lambda: redis.jobs)
    repairs.ask(Peer("u249"), AskSync(1), 0.0)
    repairs.ask(Peer("new"), AskSync(2), 0.0)
    settle(lambda: len(redis.jobs) == 2)
    assert redis.jobs[1][0].users == ["u249", "new"]

    if ends == "answered":
        repairs.synced("main", redis.jobs[0][0].users)
    elif ends == "not enqueued":
        redis.jobs[0][1]()
    else:
        repairs.sweep(9.1)
    settle(lambda: len(redis.jobs) == 3)

    assert redis.jobs[2][0].users == [f"u{number}" for number in range(100, 200)]
