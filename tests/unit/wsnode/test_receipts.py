"""Acks on their way into Redis: gathered, merged, never lost by a refusal, and a job for them in the end."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from shared.protocol.jobs import Receipts as ReceiptsJob
from shared.queue import QueueUnavailable
from shared.redis.acks import BATCH
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Since
from wsnode import receipts as module
from wsnode.events import Acked
from wsnode.receipts import Receipts
from wsnode.session import Session


class Redis:
    """Adapter and job queue in one; `refusals` names what fails how often."""

    def __init__(self) -> None:
        self.refusals: dict[str, int] = {}
        self.merged: list[tuple[str, dict[str, int], dict[str, int]]] = []
        self.jobs: list[Any] = []

    def merge(self, app: str, me: dict[str, int], everyone: dict[str, int]) -> int:
        self._refuse("merge", RedisUnavailable)
        self.merged.append((app, me, everyone))
        return len(me) + len(everyone)

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
    assert redis.merged == [("main", {"ana": 1, "bob": 2}, {})]


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
    assert redis.merged == [("main", {"ana": 3, "bob": 5}, {"ana": 7})]
    assert redis.jobs == [ReceiptsJob()]


@pytest.mark.parametrize("what", ["merge", "nudge", "enqueue"])
def test_what_is_refused_is_done_later(redis, receipts, what):
    redis.refusals[what] = 2
    say(receipts, "ana", 3)
    settle(lambda: redis.jobs)
    assert redis.merged == [("main", {"ana": 3}, {})]
    assert redis.jobs == [ReceiptsJob()]


def test_what_comes_while_redis_is_away_is_merged_with_what_waits(redis, receipts):
    redis.refusals["merge"] = 3
    say(receipts, "ana", 3, 1)
    settle(lambda: redis.refusals["merge"] < 3)
    say(receipts, "ana", 2, 4)
    settle(lambda: redis.jobs)
    assert redis.merged == [("main", {"ana": 3}, {"ana": 4})]


def test_the_end_of_the_process_writes_what_is_gathered(redis):
    receipts = Receipts(redis, redis)
    say(receipts, "ana", 3)
    receipts.flush()
    assert redis.merged == [("main", {"ana": 3}, {})]


def peer(user: str, me: int | None, everyone: int | None, *, app: str = "main") -> Any:
    session = Session(user, Since(), hold_bytes=1000)
    session.me, session.all = me, everyone
    return SimpleNamespace(app=app, user=user, session=session)


def test_what_the_kernel_took_is_confirmed_once(redis):
    receipts = Receipts(redis, redis)
    everybody = [peer("ana", 2, 5), peer("bob", 0, 5), peer("cy", None, None), peer("ana", 1, 9, app="other")]
    receipts.took(everybody)
    receipts.flush()
    receipts.took(everybody)
    receipts.flush()
    assert redis.merged == [("main", {"ana": 2}, {"ana": 5, "bob": 5}), ("other", {"ana": 1}, {"ana": 9})]


def test_a_device_that_is_behind_takes_nothing_back(redis):
    receipts = Receipts(redis, redis)
    say(receipts, "ana", 4, 9)
    receipts.took([peer("ana", 3, 8)])
    receipts.took([peer("bob", 3, 8)])
    say(receipts, "bob", 4, 9)
    receipts.flush()
    assert redis.merged == [("main", {"ana": 4, "bob": 4}, {"ana": 9, "bob": 9})]


def test_what_was_taken_wakes_the_writer_and_nothing_does_not(redis, receipts):
    receipts.took([])
    gevent.sleep(0.02)
    assert redis.merged == []
    receipts.took([peer("ana", 1, 0)])
    settle(lambda: redis.jobs)
    assert redis.merged == [("main", {"ana": 1}, {})]


def test_a_crowd_is_written_in_pieces_and_whole_after_a_refusal(redis):
    receipts = Receipts(redis, redis)
    crowd = {f"u{number}": number + 1 for number in range(BATCH + 1)}
    receipts.took([peer(user, 0, at) for user, at in crowd.items()])
    say(receipts, "u0", 7)
    redis.refusals["merge"] = 1
    receipts.flush()
    receipts.flush()
    assert [len(everyone) for _, _, everyone in redis.merged] == [BATCH, 1]
    assert [me for _, me, _ in redis.merged] == [{"u0": 7}, {}]
    assert {user: at for _, _, everyone in redis.merged for user, at in everyone.items()} == crowd
