"""Wait for a condition with a deadline."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], *, seconds: float, interval: float = 0.02) -> bool:
    """Poll a condition until it holds; False when the deadline passes first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
