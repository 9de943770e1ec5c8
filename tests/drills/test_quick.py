"""The quick set: the real system is hurt in each of its ways, and nothing is lost, repeated or out of order.

Bounds of time are those of the drills for an idle machine; here only what must hold on any machine is asked for.
"""

import pytest

from drills.quick import QUICK
from drills.registry import drills
from drills.running import Run, run
from tests.fixtures.absent import absent

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
KNOWN = drills()
CONTROLS = [(name, control) for name, controls in QUICK.items() for control in controls]


def judged(done: Run) -> Run:
    if done.skipped:
        absent(done.skipped)
    assert not done.error, done.error
    assert done.result is not None
    return done


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_lost(name: str):
    done = judged(run(KNOWN[name], size="quick"))
    assert done.result.verdict.clean, done.line()
    assert done.result.verdict.accepted > 0
    assert done.result.figures["reloads"] == 0, done.line()


@pytest.mark.parametrize(("name", "control"), CONTROLS)
def test_the_same_without_its_mechanism_loses_something(name: str, control: str):
    removed = next(each for each in KNOWN[name].controls if each.name == control)
    # Longer than the reconciler takes, so that it is the reconciler that is missing; waiting longer still would only
    # show what the broker gives out again after two minutes.
    done = judged(run(KNOWN[name], size="quick", control=removed, changes={"settle_s": 20.0}))
    assert done.result.verdict.lost > 0, done.line()
