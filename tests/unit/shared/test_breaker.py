"""The breaker as callers use it: refusals, threads, and what it tells."""

import threading
from concurrent.futures import ThreadPoolExecutor

import gevent
import pytest

from shared import metrics
from shared.breaker import Breaker, Meaning, Refused
from shared.domain.breaker import Rule, State

RULE = Rule(failures=2, pause=1.0, longest=8.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock, request: pytest.FixtureRequest) -> Breaker:
    return Breaker(request.node.name, RULE, monotonic=clock, dice=lambda: 0.0)


def fail(breaker: Breaker) -> None:
    with pytest.raises(OSError, match="away"), breaker.calling():
        raise OSError("away")


def told(kind: str, breaker: Breaker) -> float:
    name = f'bellhop_breaker_{kind}{{name="{breaker.name}"}} '
    line = next(line for line in metrics.render().decode().splitlines() if line.startswith(name))
    return float(line.rpartition(" ")[2])


def test_an_open_circuit_refuses_without_calling_and_says_for_how_long(breaker, clock):
    fail(breaker)
    fail(breaker)
    called = []
    with pytest.raises(Refused) as refused, breaker.calling():
        called.append(1)
    assert called == []
    assert refused.value.wait == pytest.approx(0.5)
    assert breaker.wait == pytest.approx(0.5)

    clock.now += 0.5
    with breaker.calling():
        called.append(1)
    assert called == [1]
    assert breaker.state is State.CLOSED


def test_metrics_tell_the_state_and_the_refusals(breaker, clock):
    assert told("state", breaker) == 0
    fail(breaker)
    fail(breaker)
    assert told("state", breaker) == 2
    for _ in range(3):
        with pytest.raises(Refused), breaker.calling():
            pass
    assert told("refused_total", breaker) == 3
    clock.now += 0.5
    with breaker.calling():
        assert told("state", breaker) == 1
    assert told("state", breaker) == 0


def test_an_error_that_is_an_answer_is_no_failure(breaker):
    for _ in range(5):
        with pytest.raises(ValueError, match="no"), breaker.calling(lambda _: Meaning.ANSWERED):
            raise ValueError("no")
    assert breaker.state is State.CLOSED


def test_a_killed_greenlet_says_nothing_and_frees_the_trial(breaker, clock):
    fail(breaker)
    fail(breaker)
    clock.now += 0.5
    task = gevent.spawn(hang_in, breaker)
    gevent.sleep(0)
    assert breaker.state is State.HALF_OPEN
    with pytest.raises(Refused), breaker.calling():
        pass
    task.kill()
    with breaker.calling():
        pass
    assert breaker.state is State.CLOSED


def test_of_many_threads_one_is_on_trial(breaker, clock):
    fail(breaker)
    fail(breaker)
    clock.now += 0.5
    all_asked, passed = threading.Barrier(9), []

    def ask(_: int) -> bool:
        try:
            with breaker.calling():
                passed.append(1)
                all_asked.wait(10)
        except Refused:
            all_asked.wait(10)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, number) for number in range(8)]
        all_asked.wait(10)
        assert sum(answer.result() for answer in answers) == 1
    assert breaker.state is State.CLOSED


def test_calls_that_hang_open_the_circuit_for_those_who_come_after_them(breaker, clock):
    tasks = [gevent.spawn(hang_in, breaker) for _ in range(RULE.failures)]
    gevent.sleep(0)
    clock.now += RULE.patience - 0.1
    with breaker.calling(lambda _: Meaning.NOTHING):
        pass
    clock.now += 0.1
    with pytest.raises(Refused), breaker.calling():
        pass

    gevent.killall(tasks)
    assert breaker.state is State.OPEN
    clock.now += 0.5
    with breaker.calling():
        pass
    assert breaker.state is State.CLOSED


def hang_in(breaker: Breaker) -> None:
    with breaker.calling():
        gevent.sleep(60)
