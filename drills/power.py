"""Cut the power of Redis: what no finished fsync had brought to the disk is gone.

`kill -9` alone is no power cut: the kernel keeps what a dead process wrote. A small library loaded into the server
writes down after each fsync how long the file was, and the cut shortens the file to that.
"""

import shutil
import subprocess
from pathlib import Path

from drills.databases import Unavailable
from drills.redis_server import RedisServer

_SOURCE = Path(__file__).with_name("power.c")


class Power:
    """The plug of one Redis."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.library = folder / "power.so"
        self._record = folder / "synced"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Unavailable("a C compiler is needed to see what Redis has synced")
        command = [
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-o",
            str(self.library),
            str(_SOURCE),
            "-ldl",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
        if done.returncode != 0:
            raise Unavailable(f"power.c does not compile: {done.stderr[-500:]}")

    def environment(self) -> dict[str, str]:
        """What the server needs in its environment."""
        return {"POWER_RECORD": str(self._record)}

    def cut(self, redis: RedisServer) -> int:
        """Kill the server and take away what was not on the disk; tells how many bytes that were."""
        redis.kill()
        synced = self._synced()
        gone = 0
        for file in (redis.folder / "appendonlydir").glob("*.incr.aof"):
            size, kept = file.stat().st_size, synced.get(str(file.resolve()), 0)
            if kept < size:
                gone += size - kept
                with file.open("r+b") as opened:
                    opened.truncate(kept)
        return gone

    def _synced(self) -> dict[str, int]:
        found: dict[str, int] = {}
        if self._record.exists():
            for line in self._record.read_text(encoding="utf-8").splitlines():
                size, _, path = line.partition(" ")
                found[path] = max(found.get(path, 0), int(size))
        return found
