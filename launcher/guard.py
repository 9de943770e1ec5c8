"""The last one out: ends what is left when the supervisor itself was killed.

Runs as a process of its own, reading on its standard input which process groups exist. When the input ends, which
happens however the supervisor dies, it ends them: first politely, then by force. The parent-death signal (see
launcher.spawn) alone would not do: it reaches only direct children, only once, and only on Linux.
Started as a plain script, without the project's packages, so that it costs little.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

PATIENCE = 15.0


def follow(lines: Iterable[str]) -> set[int]:
    """Read `+pgid` and `-pgid` until the input ends and return what is left."""
    groups: set[int] = set()
    for line in lines:
        number = int(line[1:])
        if line.startswith("+"):
            groups.add(number)
        else:
            groups.discard(number)
    return groups


def send(groups: set[int], number: int) -> set[int]:
    """Signal all groups and return those that still exist."""
    living = set()
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            living.add(group)
    return living


def main() -> None:
    """Wait for the end of the supervisor, then end the rest."""
    groups = send(follow(sys.stdin), signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while groups and time.monotonic() < deadline:
        time.sleep(0.1)
        groups = send(groups, 0)
    send(groups, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    main()
