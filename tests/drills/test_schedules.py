"""D13 and D14, small: the clock is set, beats die, and each instant fires once; and the judge sees it when not."""

import pytest

from drills.drill import Result
from drills.registry import drills
from drills.running import run
from drills.schedules import Run, faults
from tests.fixtures.absent import absent

KNOWN = drills()


def fired(*seconds: int) -> list[Run]:
    return [Run(second, "due", f"n{place}", None) for place, second in enumerate(seconds)]


def wrong(*args) -> dict[str, int]:
    return {name: count for name, count in faults(*args).items() if count}


def test_each_second_once_is_right():
    assert wrong(fired(1, 2, 3), range(1, 4)) == {}
    assert wrong([*fired(1, 3), Run(2, "run_now", "x", None)], range(1, 4)) == {"missing": 1}
    assert wrong([Run(2, "skipped", None, 1), *fired(3)], range(1, 4)) == {}


def test_each_fault_is_seen():
    assert wrong(fired(1, 2, 2, 2), range(1, 3)) == {"twice": 2}
    assert wrong(fired(1, 4), range(1, 5)) == {"missing": 2}
    assert wrong(fired(1, 2, 9), range(1, 3)) == {"strange": 1}
    assert wrong([*fired(1, 2), Run(3, "skipped", None, 2)], range(1, 4)) == {"fired_and_left_out": 1}


def judged(name: str, control: str = "", **changes) -> Result:
    removed = next((each for each in KNOWN[name].controls if each.name == control), None)
    done = run(KNOWN[name], size="quick", control=removed, changes=changes)
    if done.skipped:
        absent(done.skipped)
    assert done.good, done.line()
    assert done.result is not None
    return done.result


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["D13", "D14"])
def test_each_instant_fires_once(name: str):
    assert judged(name).figures["on_the_screen"] > 0


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_without_lock_and_key_some_fire_twice():
    found = judged("D14", "loose claims", seconds=15.0, settle_s=5.0)
    assert found.figures["twice"] > 0
