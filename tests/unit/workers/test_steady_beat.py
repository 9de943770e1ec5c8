"""Beat ticks on when the wall clock is set, forward or back; Celery's own scheduler would not."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.beat import Scheduler

from launcher.probe import is_fresh
from workers.steady_beat import SteadyScheduler

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


class World:
    """A wall clock and a monotonic one; time passes in `run`, and only there."""

    def __init__(self, kind):
        self.wall, self.mono, self.ticks = BEGIN, 100.0, []
        app = Celery("t", broker="memory://", set_as_current=False)
        app.conf.beat_schedule = {
            "often": {"task": "often", "schedule": 1.0},
            "seldom": {"task": "seldom", "schedule": 5.0},
        }
        app.conf.timezone = "UTC"
        app.now = lambda: self.wall
        self.scheduler = kind(app)
        self.scheduler._clock = self
        self.scheduler.apply_entry = lambda entry, producer=None: self.ticks.append(entry.name)
        self.scheduler.schedule  # noqa: B018 -- made when it is first looked at

    def monotonic(self):
        return self.mono

    def run(self, seconds):
        """What ticks within these seconds."""
        self.ticks.clear()
        for _ in range(int(seconds * 10)):
            while self.scheduler.tick() == 0:
                pass
            self.wall += timedelta(seconds=0.1)
            self.mono += 0.1
        return {name: self.ticks.count(name) for name in ("often", "seldom")}


@pytest.mark.parametrize(
    "jump", [timedelta(0), timedelta(hours=2), timedelta(hours=-2), timedelta(days=-400)]
)
def test_it_ticks_on_whatever_the_clock_says(jump):
    world = World(SteadyScheduler)
    world.run(20)
    world.wall += jump
    found = world.run(20)
    assert 18 <= found["often"] <= 21, found
    assert 3 <= found["seldom"] <= 5, found


def test_without_it_nothing_ticks():
    world = World(Scheduler)
    world.run(20)
    world.wall -= timedelta(hours=2)
    assert world.run(20) == {"often": 0, "seldom": 0}


def test_each_look_touches_the_file_of_the_health_check_and_a_full_disk_does_not_stop_it(tmp_path):
    world = World(SteadyScheduler)
    pulse = world.scheduler.app.conf.beat_pulse = tmp_path / "pulse"
    world.run(1)
    assert is_fresh(pulse, seconds=30, now=time.time())
    assert not is_fresh(pulse, seconds=30, now=time.time() + 31)

    world.scheduler.app.conf.beat_pulse = tmp_path / "absent" / "pulse"
    assert not is_fresh(tmp_path / "absent" / "pulse", seconds=30, now=time.time())
    assert world.run(20)["often"] >= 18
