"""Jobs that wait for the broker: bounded in number and in weight, and over it a wish fails at once."""

import gevent
import pytest
from gevent.event import Event

from shared.protocol.jobs import Mark, Receipts, Sync
from wsnode import jobs as module
from wsnode.jobs import Jobs


class Queue:
    def enqueue(self, args) -> None:
        raise AssertionError


@pytest.fixture
def failures() -> list[str]:
    return []


def mark(ids: int) -> Mark:
    return Mark(app="main", user="u", action="read", ids=["i"] * ids, node="n", connection="n.1", ref=1)


def test_over_its_number_a_wish_fails_at_once(monkeypatch, failures):
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    jobs = Jobs(Queue())
    for number in range(5):
        jobs.put(
            Sync(app="main", users=[str(number)], node="n"), lambda number=number: failures.append(number)
        )
    assert failures == [3, 4]


def test_over_its_weight_a_wish_fails_at_once(monkeypatch, failures):
    monkeypatch.setattr(module, "IDS_MAX", 1000)
    jobs = Jobs(Queue())
    for number in range(3):
        jobs.put(mark(500), lambda number=number: failures.append(number))
    jobs.put(Receipts(), lambda: failures.append("receipts"))
    jobs.put(Sync(app="main", users=["u"], node="n"), lambda: failures.append("sync"))
    assert failures == [2, "sync"]


def test_it_is_idle_when_the_broker_has_everything():
    taken = Event()

    class Slow:
        def enqueue(self, args, *, queue) -> None:
            taken.wait()

    jobs = Jobs(Slow())
    greenlets = jobs.start()
    assert jobs.idle()
    jobs.put(Receipts(), lambda: None)
    assert not jobs.idle()
    gevent.sleep(0)
    assert not jobs.idle(), "it is being sent"
    taken.set()
    gevent.sleep(0)
    assert jobs.idle()
    gevent.killall(greenlets)
