"""Ask a process whether it is ready: over HTTP, or, of one that does not listen, by the age of the file it touches.

`python -m launcher.probe PORT [PATH]` and `python -m launcher.probe FILE SECONDS` do so from a shell: the health check
of containers.
"""

import http.client
import sys
import time
from pathlib import Path

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # translated, not bound
_SECONDS = 2.0
_OK = 200


def reachable(host: str) -> str:
    """Return an address to connect to for an address to listen on."""
    return _ANY.get(host, host)


def is_ready(host: str, port: int, path: str) -> bool:
    """Tell whether GET answers 200."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_fresh(file: Path, *, seconds: float, now: float) -> bool:
    """Tell whether the file was written in the last `seconds` before `now` (of the epoch)."""
    try:
        return now - file.stat().st_mtime <= seconds
    except OSError:
        return False


def probe(asked: str, *more: str) -> bool:
    """Answer what the command line asks."""
    if asked.isdigit():
        return is_ready("127.0.0.1", int(asked), "".join(more) or "/readiness")
    return is_fresh(Path(asked), seconds=float("".join(more)), now=time.time())


if __name__ == "__main__":
    sys.exit(not probe(*sys.argv[1:]))
