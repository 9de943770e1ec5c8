"""The rule of the circuit breaker: when it opens, for how long, and what a probe decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.breaker import Circuit, Rule, State, abandoned, answered, enter, failed, wait

RULE = Rule(failures=3, window=10.0, enough=20, ratio=0.5, pause=0.5, longest=4.0, patience=30.0)
ROUNDING = 1e-9


def fail(circuit: Circuit, now: float, times: int = 1, dice: float = 0.0) -> Circuit:
    for _ in range(times):
        circuit, passes = enter(RULE, circuit, now)
        assert passes
        circuit = failed(RULE, circuit, circuit.turn, now, dice)
    return circuit


def probe(circuit: Circuit, now: float) -> Circuit:
    circuit, passes = enter(RULE, circuit, now)
    assert passes
    assert circuit.state is State.HALF_OPEN
    return circuit


def test_it_opens_at_the_last_of_so_many_failures_in_a_row() -> None:
    circuit = fail(Circuit(), 0.0, 2)
    assert circuit.state is State.CLOSED
    circuit = fail(circuit, 0.1)
    assert circuit.state is State.OPEN
    assert wait(circuit, 0.1) == pytest.approx(0.25)


def test_an_answer_between_them_begins_the_row_anew() -> None:
    circuit = fail(Circuit(), 0.0, 2)
    circuit = answered(RULE, circuit, circuit.turn, 0.1)
    assert fail(circuit, 0.2, 2).state is State.CLOSED


def test_failures_of_an_earlier_window_are_forgotten() -> None:
    circuit = fail(Circuit(), 0.0, 2)
    assert fail(circuit, RULE.window, 2).state is State.CLOSED


def test_it_opens_when_half_of_enough_calls_fail_though_never_in_a_row() -> None:
    circuit = Circuit()
    for number in range(RULE.enough - 1):
        circuit = fail(circuit, 0.0) if number % 2 else answered(RULE, circuit, circuit.turn, 0.0)
        assert circuit.state is State.CLOSED
    assert fail(circuit, 0.0).state is State.OPEN


def test_while_it_is_open_nothing_passes_and_then_one_call_on_trial() -> None:
    circuit = fail(Circuit(), 0.0, 3)
    assert enter(RULE, circuit, 0.249) == (circuit, False)
    trial = probe(circuit, 0.25)
    assert enter(RULE, trial, 0.26) == (trial, False)
    closed = answered(RULE, trial, trial.turn, 0.3)
    assert closed.state is State.CLOSED
    assert enter(RULE, closed, 0.3)[1]


def test_each_failed_trial_doubles_the_pause_up_to_the_longest() -> None:
    circuit, now, pauses = fail(Circuit(), 0.0, 3, dice=0.999), 0.0, []
    for _ in range(6):
        pauses.append(wait(circuit, now))
        now = circuit.until
        trial = probe(circuit, now)
        circuit = failed(RULE, trial, trial.turn, now, 0.999)
    assert pauses == pytest.approx([0.5, 1, 2, 4, 4, 4], rel=0.01)


def test_a_circuit_that_opens_again_at_once_waits_longer_and_one_that_held_does_not() -> None:
    circuit = fail(Circuit(), 0.0, 3)
    trial = probe(circuit, 0.25)
    closed = answered(RULE, trial, trial.turn, 0.3)

    assert wait(fail(closed, 0.4, 3), 0.4) == pytest.approx(0.5)
    assert wait(fail(closed, 0.3 + RULE.window, 3), 0.3 + RULE.window) == pytest.approx(0.25)


def test_what_comes_back_late_says_nothing() -> None:
    before = Circuit()
    circuit = fail(before, 0.0, 3)
    assert answered(RULE, circuit, before.turn, 0.1) == circuit
    trial = probe(circuit, 0.25)
    assert answered(RULE, trial, before.turn, 0.3) == trial
    assert failed(RULE, trial, before.turn, 0.3, 0.0) == trial
    closed = answered(RULE, trial, trial.turn, 0.3)
    assert failed(RULE, closed, trial.turn, 0.4, 0.0) == closed


def test_a_trial_that_is_given_up_or_never_heard_of_again_makes_room_for_the_next() -> None:
    trial = probe(fail(Circuit(), 0.0, 3), 0.25)
    assert probe(abandoned(trial, trial.turn, 0.3), 0.3).turn == trial.turn + 1
    assert not enter(RULE, trial, 0.25 + RULE.patience - 0.1)[1]
    assert probe(trial, 0.25 + RULE.patience).turn == trial.turn + 1


def test_giving_up_an_ordinary_call_changes_nothing() -> None:
    circuit = fail(Circuit(), 0.0, 2)
    assert abandoned(circuit, circuit.turn, 0.1) == circuit


steps = st.lists(
    st.tuples(
        st.floats(0, 20), st.sampled_from(["answered", "failed", "given up", "lost"]), st.floats(0, 0.999)
    ),
    max_size=80,
)


@given(steps, st.integers(1, 4))
def test_whatever_happens_a_pause_is_bounded_and_one_answer_closes(
    happenings: list[tuple[float, str, float]], together: int
) -> None:
    """Several calls may be under way; their ends come in any order and late."""
    circuit, now, under_way = Circuit(), 0.0, list[int]()
    for step, end, dice in happenings:
        now += step
        was_open_until = circuit.until if circuit.state is State.OPEN else None
        circuit, passes = enter(RULE, circuit, now)
        if was_open_until is not None:
            assert passes == (now >= was_open_until)
        if passes:
            under_way.append(circuit.turn)
        if len(under_way) < together:
            continue
        turn = under_way.pop(0)
        match end:
            case "answered":
                circuit = answered(RULE, circuit, turn, now)
            case "failed":
                circuit = failed(RULE, circuit, turn, now, dice)
            case "given up":
                circuit = abandoned(circuit, turn, now)
        if circuit.state is State.OPEN:
            assert wait(circuit, now) <= RULE.longest + ROUNDING
        assert wait(circuit, now) <= RULE.patience + ROUNDING

    later = now + RULE.patience
    circuit, passes = enter(RULE, circuit, later)
    assert passes
    assert answered(RULE, circuit, circuit.turn, later).state is State.CLOSED
    assert enter(RULE, answered(RULE, circuit, circuit.turn, later), later)[1]


@given(st.integers(0, 5000), st.floats(0, 0.999))
def test_no_number_of_openings_makes_a_pause_endless(openings: int, dice: float) -> None:
    trial = Circuit(State.HALF_OPEN, openings=openings)
    pause = wait(failed(RULE, trial, 0, 0.0, dice), 0.0)
    assert RULE.pause / 2 <= pause <= RULE.longest
