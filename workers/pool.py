"""What a worker's parent sees of its pool: who lives, who is stopped, and since when nobody has been free.

A child that is stopped or stuck has not ended, so the pool counts on it and goes on handing it jobs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_STOPPED = frozenset("Tt")


@dataclass(frozen=True, slots=True)
class Pool:
    """One look. `busy_s`: for so long every child has been at the same job; 0 while one is free."""

    living: int = 0
    stopped: int = 0
    busy_s: float = 0.0


def look(pids: Sequence[int], started: Iterable[float], *, now: float, proc: Path = Path("/proc")) -> Pool:
    """Look at living children; `started` are the instants at which the running jobs began, on the clock of `now`."""
    running = list(started)
    busy_s = max(0.0, now - max(running)) if pids and len(running) >= len(pids) else 0.0
    return Pool(len(pids), sum(_is_stopped(proc / str(pid) / "stat") for pid in pids), busy_s)


def _is_stopped(stat: Path) -> bool:
    """Whether the kernel says so; without /proc nobody can tell."""
    try:
        # The name before the state stands in parentheses and may itself hold any character.
        _, _, rest = stat.read_text().rpartition(") ")
    except OSError:
        return False
    return rest[:1] in _STOPPED
