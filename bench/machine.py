"""What the operating system knows: cores, pinning, memory and processor time of a process, open files.

Everything is read from /proc, so that no measured process has to help; on a machine without it the benchmarks
do not run.
"""

import os
import platform
import resource
from collections.abc import Collection, Iterable
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))

ALL_CORES = frozenset(_CORES)
SERVER_CORE = _CORES[0]
"""The process under test runs here, alone."""
LOAD_CORE = _CORES[-1]
"""Redis, PostgreSQL, publishers and load clients run here."""


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one (children inherit it); returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def descendants(pid: int) -> list[int]:
    """The process and all processes below it, parents first."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue  # it ended while we looked
    return found


def pin(pid: int, cores: Collection[int]) -> None:
    """Bind a process, its threads and its descendants to some cores, as far as we may."""
    for process in descendants(pid):
        for task in Path(f"/proc/{process}/task").glob("*"):
            try:
                os.sched_setaffinity(int(task.name), cores)
            except OSError:
                continue


def rss_kib(pid: int) -> int:
    """Resident memory of one process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_us(pids: Iterable[int]) -> int:
    """Time on a processor of these processes and all their threads, in microseconds.

    From schedstat, which counts nanoseconds; utime and stime would move in steps of 10 ms.
    """
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                continue  # the thread ended while we looked
    return total // 1000


def busy_elsewhere() -> float:
    """The load average of the last minute: a hint at how noisy a run was."""
    return round(os.getloadavg()[0], 2)


def describe() -> dict[str, object]:
    """The machine in a few words, for the results."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": len(_CORES),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "load_average": busy_elsewhere(),
    }
