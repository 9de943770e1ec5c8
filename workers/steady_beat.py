"""Celery's scheduler of ticks, but for clocks that are set.

Celery's notes by the wall clock when it ticks next. Put back by two hours, that clock would keep beat from ticking for
two hours, and nothing would be fired, expired or brought back by the reconciler.
"""

from pathlib import Path
from typing import Any, Final

from celery.beat import Scheduler

from shared import logs
from shared.clock import SystemClock

log = logs.get(__name__)

JUMP_S: Final = 1.0
"""So far the clocks may drift apart between two looks, which are a second apart; more than that, and one was set."""


class SteadyScheduler(Scheduler):  # type: ignore[misc]  # celery has no types
    """Begins its intervals anew where the wall clock jumps."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._clock = SystemClock()
        self._shift: float | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One look at what is due; seconds until the next one."""
        shift = self.app.now().timestamp() - self._clock.monotonic()
        if self._shift is not None and abs(shift - self._shift) > JUMP_S:
            log.warning("beat_found_its_clock_set", seconds=round(shift - self._shift, 3))
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            # It is made anew from the entries.
            self._heap = None
        self._shift = shift
        wait = float(super().tick(*args, **kwargs))
        self._show_pulse()
        return wait

    def _show_pulse(self) -> None:
        """Touch the file by whose age a health check sees that beat goes on looking."""
        pulse: Path | None = self.app.conf.get("beat_pulse")
        if pulse is None:
            return
        try:
            pulse.touch()
        except OSError as error:
            log.warning("beat_pulse_not_written", reason=str(error))
