"""A circuit breaker around calls to something that may be away: told in the log and in the metrics.

Rule U; what it decides is shared.domain.breaker's. One object serves any number of threads or greenlets: the lock is
held for arithmetic only, never while something is called, written or waited for.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from shared import logs, metrics
from shared.domain import breaker
from shared.domain.breaker import Circuit, Rule, State

log = logs.get(__name__)


class Refused(Exception):
    """The circuit is open: the call was not made. `wait` is the seconds after which one may be."""

    def __init__(self, name: str, wait: float) -> None:
        super().__init__(f"{name} does not answer and is not asked just now")
        self.wait = wait


class Meaning(Enum):
    """What an exception says about the one who was called."""

    ANSWERED = auto()
    FAILED = auto()
    NOTHING = auto()


Judge = Callable[[Exception], Meaning]


def any_error(_: Exception) -> Meaning:
    """Take every exception for a failure."""
    return Meaning.FAILED


class Breaker:
    """One circuit, by the name that metrics and log give it."""

    def __init__(
        self,
        name: str,
        rule: Rule = Rule(),  # noqa: B008  # a tuple, nobody changes it
        *,
        monotonic: Callable[[], float],
        dice: Callable[[], float] = random.random,
    ) -> None:
        """`monotonic` gives seconds, `dice` numbers in [0, 1)."""
        self.name: Final = name
        self._rule = rule
        self._monotonic = monotonic
        self._dice = dice
        self._circuit = Circuit()
        self._lock = threading.Lock()
        self._under_way: dict[int, tuple[int, float]] = {}
        """Calls by number, the oldest first: their turn and when they began."""
        self._numbers = itertools.count()
        self._gauge = metrics.breaker_state.labels(name)
        self._gauge.set(State.CLOSED)
        self._count_refused = metrics.breaker_refused_total.labels(name).inc

    @property
    def state(self) -> State:
        """Closed, half-open or open."""
        return self._circuit.state

    @property
    def wait(self) -> float:
        """Seconds until a call may pass."""
        return breaker.wait(self._circuit, self._monotonic())

    @contextmanager
    def calling(self, judge: Judge = any_error) -> Iterator[None]:
        """Make one call in the block. Raises Refused instead of entering it while the circuit is open.

        What the block raises goes on to the caller; `judge` says what it means. An end from outside (a greenlet that is
        killed, a timeout of gevent's) means nothing.
        """
        number = self._enter()
        meaning = Meaning.NOTHING
        try:
            yield
            meaning = Meaning.ANSWERED
        except Exception as error:
            meaning = judge(error)
            raise
        finally:
            self._leave(number, meaning)

    def _enter(self) -> int:
        with self._lock:
            now, before = self._monotonic(), self._circuit
            self._count_overdue(now)
            self._circuit, passes = breaker.enter(self._rule, self._circuit, now)
            after, number = self._circuit, next(self._numbers)
            if passes:
                self._under_way[number] = (after.turn, now)
        self._tell(before, after, now)
        if not passes:
            self._count_refused()
            raise Refused(self.name, breaker.wait(after, now))
        return number

    def _count_overdue(self, now: float) -> None:
        while self._under_way:
            number = next(iter(self._under_way))
            turn, began = self._under_way[number]
            if now - began < self._rule.patience:
                return
            del self._under_way[number]
            self._circuit = breaker.failed(self._rule, self._circuit, turn, now, self._dice())

    def _leave(self, number: int, meaning: Meaning) -> None:
        with self._lock:
            turn, _ = self._under_way.pop(number, (None, 0.0))
            if turn is None:
                return
            now, before = self._monotonic(), self._circuit
            match meaning:
                case Meaning.ANSWERED:
                    after = breaker.answered(self._rule, before, turn, now)
                case Meaning.FAILED:
                    after = breaker.failed(self._rule, before, turn, now, self._dice())
                case Meaning.NOTHING:
                    after = breaker.abandoned(before, turn, now)
            self._circuit = after
        self._tell(before, after, now)

    def _tell(self, before: Circuit, after: Circuit, now: float) -> None:
        if before.turn == after.turn:
            return
        # As it is now: another thread may have told of a later state already.
        self._gauge.set(self._circuit.state)
        match after.state:
            case State.OPEN:
                pause = round(breaker.wait(after, now), 3)
                log.warning("breaker_opened", name=self.name, seconds=pause, openings=after.openings)
            case State.CLOSED:
                log.info("breaker_closed", name=self.name)
