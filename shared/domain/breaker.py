"""When to stop asking something that does not answer, and when to ask again.

Rule P. The circuit breaker (M. Nygard, "Release It!", 2007): closed, every call passes; open, none does, for a time
that grows from one opening to the next up to a bound; half-open, one call passes as a probe and its outcome decides. A
call counts for the turn in which it began: what comes back after the state has changed says nothing any more.

Times are seconds of a clock that never goes back; `dice` is a number in [0, 1).
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple

_SHORTEST: Final = 0.5
"""The part of a pause that is not left to the dice, so that several processes do not come back together."""


class State(IntEnum):
    """As the metric tells it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Rule(NamedTuple):
    """When a circuit opens and for how long.

    It opens after `failures` in a row within a window of `window` seconds, or when of `enough` calls or more in a
    window the share `ratio` failed. It stays open for `pause` seconds the first time, twice as long each further time,
    never longer than `longest`; half of that is left to the dice. A call of which nothing was heard for `patience`
    seconds counts as a failure though it goes on, and a probe does not keep the next one from trying any longer.
    """

    failures: int = 3
    window: float = 15.0
    enough: int = 20
    ratio: float = 0.5
    pause: float = 0.5
    longest: float = 5.0
    patience: float = 20.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is remembered. `turn` changes with the state, and a call belongs to the turn in which it was let pass."""

    state: State = State.CLOSED
    turn: int = 0
    openings: int = 0
    """In succession: since a whole window passed without one."""
    since: float = float("-inf")
    """When this window began (closed), or the probe (half-open)."""
    until: float = float("-inf")
    """When a probe may pass: open, the end of the pause; half-open, the end of patience with the probe."""
    good: int = 0
    bad: int = 0
    in_a_row: int = 0


def enter(rule: Rule, circuit: Circuit, now: float) -> tuple[Circuit, bool]:
    """Say whether a call may be made; if so it belongs to the `turn` of the circuit that is returned."""
    if circuit.state is State.CLOSED:
        return circuit, True
    if now < circuit.until:
        return circuit, False
    probing = replace(
        circuit, state=State.HALF_OPEN, turn=circuit.turn + 1, since=now, until=now + rule.patience
    )
    return probing, True


def wait(circuit: Circuit, now: float) -> float:
    """Seconds until a call may pass; 0 if one may now."""
    return 0.0 if circuit.state is State.CLOSED else max(circuit.until - now, 0.0)


def answered(rule: Rule, circuit: Circuit, turn: int, now: float) -> Circuit:
    """Note that a call was answered, be it with a refusal: a probe closes the circuit."""
    if turn != circuit.turn or circuit.state is State.OPEN:
        return circuit
    if circuit.state is State.HALF_OPEN:
        return Circuit(turn=circuit.turn + 1, openings=circuit.openings, since=now)
    counted = _in_window(rule, circuit, now)
    return replace(counted, good=counted.good + 1, in_a_row=0)


def failed(rule: Rule, circuit: Circuit, turn: int, now: float, dice: float) -> Circuit:
    """Note that nobody answered: a probe opens the circuit again, and so does the last failure of many."""
    if turn != circuit.turn or circuit.state is State.OPEN:
        return circuit
    if circuit.state is State.HALF_OPEN:
        return _open(rule, circuit, now, dice)
    counted = _in_window(rule, circuit, now)
    counted = replace(counted, bad=counted.bad + 1, in_a_row=counted.in_a_row + 1)
    calls = counted.good + counted.bad
    if counted.in_a_row >= rule.failures or (calls >= rule.enough and counted.bad >= rule.ratio * calls):
        return _open(rule, counted, now, dice)
    return counted


def abandoned(circuit: Circuit, turn: int, now: float) -> Circuit:
    """Note that a call was given up by us, which says nothing; if it was the probe, the next call is one."""
    if turn != circuit.turn or circuit.state is not State.HALF_OPEN:
        return circuit
    return replace(circuit, until=now)


def _in_window(rule: Rule, circuit: Circuit, now: float) -> Circuit:
    """Begin a new window when this one is over; one that ended closed forgets earlier openings."""
    if now - circuit.since < rule.window:
        return circuit
    return Circuit(turn=circuit.turn, since=now)


def _open(rule: Rule, circuit: Circuit, now: float, dice: float) -> Circuit:
    # The power is bounded too: a float has no 2**2000.
    pause = min(rule.pause * 2 ** min(circuit.openings, 32), rule.longest)
    until = now + pause * (_SHORTEST + (1 - _SHORTEST) * dice)
    return Circuit(State.OPEN, turn=circuit.turn + 1, openings=circuit.openings + 1, since=now, until=until)
