"""Acks on their way into Redis: gathered, merged, never lost by a refusal, and a job for them in the end."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from shared.protocol.jobs import Receipts as ReceiptsJob
from shared.queue import QueueUnavailable
from shared.redis.acks import Ack
from shared.redis.client import RedisUnavailable
from wsnode import receipts as module
from wsnode.events import Acked
from wsnode.receipts import Receipts


class Redis:
    """Adapter and job queue in one; `refusals` names what fails how often."""

    def __init__(self) -> None:
        self.refusals: dict[str, int] = {}
        self.merged: list[list[Ack]] = []
        self.jobs: list[Any] = []

    def merge(self, acks: list[Ack]) -> int:
        self._refuse("merge", RedisUnavailable)
        self.merged.append(list(acks))
        return len(acks)

    def nudge(self) -> bool:
        try:
            self._refuse("nudge", RedisUnavailable)
        except RedisUnavailable:
            return False
        return True

    def enqueue(self, job: Any) -> None:
        self._refuse("enqueue", QueueUnavailable)
        self.jobs.append(job)

    def _refuse(self, what: str, error: type[Exception]) -> None:
        if self.refusals.get(what, 0):
            self.refusals[what] -= 1
            raise error


@pytest.fixture
def redis(monkeypatch):
    monkeypatch.setattr(module, "GATHER", 0.005)
    monkeypatch.setattr(module, "BACK_OFF", 0.005)
    return Redis()


@pytest.fixture
def receipts(redis):
    receipts = Receipts(redis, redis)
    greenlets = receipts.start()
    yield receipts
    gevent.killall(greenlets)


def say(receipts: Receipts, user: str, me: int, everyone: int = 0) -> None:
    receipts.add(SimpleNamespace(app="main", user=user), Acked(me, everyone))  # type: ignore[arg-type]


def test_of_who_leaves_it_is_merged_at_once(monkeypatch, redis, receipts):
    monkeypatch.setattr(module, "GATHER", 60)
    say(receipts, "ana", 1)
    say(receipts, "bob", 2)
    gevent.sleep(0)  # it gathers
    receipts.gone(SimpleNamespace(app="main", user="nobody"))  # type: ignore[arg-type]
    assert redis.merged == []
    receipts.gone(SimpleNamespace(app="main", user="ana"))  # type: ignore[arg-type]
    settle(lambda: redis.merged)
    assert redis.merged == [[Ack("main", "ana", 1, 0), Ack("main", "bob", 2, 0)]]


def settle(condition) -> None:
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.001)


def test_the_highest_of_a_moment_is_merged_in_one_call(redis, receipts):
    for me in (1, 3, 2):
        say(receipts, "ana", me)
    say(receipts, "ana", 0, 7)
    say(receipts, "bob", 5)
    settle(lambda: redis.jobs)
    assert redis.merged == [[Ack("main", "ana", 3, 7), Ack("main", "bob", 5, 0)]]
    assert redis.jobs == [ReceiptsJob()]


@pytest.mark.parametrize("what", ["merge", "nudge", "enqueue"])
def test_what_is_refused_is_done_later(redis, receipts, what):
    redis.refusals[what] = 2
    say(receipts, "ana", 3)
    settle(lambda: redis.jobs)
    assert [ack for call in redis.merged for ack in call] == [Ack("main", "ana", 3, 0)]
    assert redis.jobs == [ReceiptsJob()]


def test_what_comes_while_redis_is_away_is_merged_with_what_waits(redis, receipts):
    redis.refusals["merge"] = 3
    say(receipts, "ana", 3, 1)
    settle(lambda: redis.refusals["merge"] < 3)
    say(receipts, "ana", 2, 4)
    settle(lambda: redis.jobs)
    assert redis.merged == [[Ack("main", "ana", 3, 4)]]


def test_the_end_of_the_process_writes_what_is_gathered(redis):
    receipts = Receipts(redis, redis)
    say(receipts, "ana", 3)
    receipts.flush()
    assert redis.merged == [[Ack("main", "ana", 3, 0)]]
