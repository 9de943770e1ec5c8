"""Beat and workers whose wall clock is the machine's plus so many seconds as a file says: a clock that a drill can set.

Deadlines and pauses go by the monotonic clock, which nobody sets.
"""

import os
from datetime import timedelta
from pathlib import Path

from shared.clock import SystemClock
from workers.celery_app import app

__all__ = ["app"]

_FILE = Path(os.environ["BELLHOP_DATA_DIR"]) / "clock-offset"
_now_ms, _now = SystemClock.now_ms, app.now


def offset() -> float:
    """Seconds ahead of the machine's clock."""
    try:
        return float(_FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0.0


setattr(SystemClock, "now_ms", lambda self: _now_ms(self) + int(offset() * 1000))  # noqa: B010  # that is its purpose
app.now = lambda: _now() + timedelta(seconds=offset())
