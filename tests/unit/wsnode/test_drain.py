"""Going away: all are closed within the window, those who wait for a reply get it first, none keeps the others."""

import gevent
import pytest

from shared.protocol.close_codes import CloseCode
from wsnode import drain as module
from wsnode.drain import drain, finish


class One:
    """A connection; `replies` is how often it is asked before its reply has come."""

    def __init__(self, *, replies: int = 0, broken: bool = False) -> None:
        self.asked, self.replies, self.broken = 0, replies, broken
        self.left: list[float] = []

    @property
    def waits(self) -> bool:
        self.asked += 1
        return self.asked <= self.replies

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        if self.broken:
            raise RuntimeError("a fault of ours")
        assert code is CloseCode.GOING_AWAY
        self.left.append(retry_after or 0.0)


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The sleeps, which take no time."""
    slept: list[float] = []
    monkeypatch.setattr(module.gevent, "sleep", slept.append)
    return slept


def go(*ones: One, window: float = 1.0) -> None:
    drain(ones, window=window, retry=4, busy=lambda: 0, draw=lambda: 0.5)


def test_all_are_closed_over_the_window(slept):
    ones = [One() for _ in range(40)]
    go(*ones)
    assert [one.left for one in ones] == [[2.0]] * 40
    assert sum(slept) == pytest.approx(1.0)


def test_who_waits_for_a_reply_is_closed_when_it_is_there(slept):
    one, other = One(replies=3), One()
    go(one, other, window=0.1)
    assert (len(one.left), one.asked, len(other.left)) == (1, 4, 1)
    assert sum(slept) < 0.1 + module.REPLY_WAIT


def test_a_reply_that_never_comes_is_waited_for_so_long_and_no_longer(slept):
    one = One(replies=1_000_000)
    go(one, window=0)
    assert len(one.left) == 1
    assert module.REPLY_WAIT <= sum(slept) <= module.REPLY_WAIT + 3 * module.STEP < module.LAST_WAIT


def test_one_that_cannot_be_closed_keeps_nobody():
    ones = [One(), One(broken=True), One()]
    go(*ones)
    assert [len(one.left) for one in ones] == [1, 0, 1]


def test_what_is_begun_is_waited_for_and_given_up_at_the_deadline(monkeypatch):
    monkeypatch.undo()
    states = iter([False, False, True])
    assert finish(lambda: True, lambda: next(states), wait=5)
    with gevent.Timeout(5):
        assert not finish(lambda: False, wait=0.05)
