"""Start a child process that cannot outlive us, and end it with everything it started.

A process group of its own keeps the terminal's Ctrl-C from reaching the child before we decide, and lets us
end its own children with it. The parent-death signal covers the case that nobody is left to decide: `kill -9`
of ourselves.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may take a lock, and loading a library does.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a command; its standard output and error go to `output`.

    The parent-death signal is tied to the calling thread: call from one that lives as long as the child.
    """
    parent = os.getpid()
    return subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509  # one C call, see _LIBC
    )


def signal_group(pid: int, number: int) -> None:
    """Signal a child and everything in its process group, living or not."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end(child: subprocess.Popen[bytes], *, patience: float) -> int:
    """Ask a child to end, wait, then kill what is left of its group. Return its exit code."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    signal_group(child.pid, signal.SIGKILL)
    return child.wait()


def _die_with(parent: int) -> None:
    """Runs in the child, before exec."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the call took effect
        os._exit(1)
