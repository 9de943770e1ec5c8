"""D35, once at each point: processes die between any two steps, and what was accepted is whole in the end."""

import pytest

from drills.crash.points import POINTS
from drills.registry import drills
from drills.running import run
from launcher.environment import ROOT
from tests.fixtures.absent import absent

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_crash_at_any_step_costs_nothing():
    done = run(drills()["D35"], size="quick")
    if done.skipped:
        absent(done.skipped)
    assert not done.error, done.error
    assert done.result is not None
    assert done.result.held, f"{done.line()} {done.result.figures}"
    assert done.result.figures["crashes"] == len(POINTS)


def test_the_points_have_names_and_places_of_their_own():
    assert len({point.name for point in POINTS}) == len(POINTS)
    # A place may serve two stories; the same story does not end at the same place twice.
    assert len({(point.story, point.place) for point in POINTS}) == len(POINTS)


def test_the_document_names_every_point():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [point.name for point in POINTS if f"`{point.name}`" not in text] == []
