"""One device, in a process of its own because that knows the reference client: what it showed, line by line.

python -m drills.device FILE     reads {"urls", "token"} from the first line of its input and runs until that ends
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bellhop_client import Bellhop, MemoryStorage

ONLINE = "online"


def main(file: str) -> None:
    """Write `online` once it is, and for each notification its id and the second of the epoch."""
    asked = json.loads(sys.stdin.readline())
    lock = threading.Lock()
    with Path(file).open("a", encoding="utf-8", buffering=1) as out:

        def write(line: str) -> None:
            with lock:
                out.write(f"{line}\n")

        def show(frame: dict[str, Any]) -> None:
            write(f"{frame['id']} {time.time()}")

        client = Bellhop(asked["urls"], asked["token"], storage=MemoryStorage())
        client.on("notification", show)
        client.start()
        while client.status != ONLINE:
            time.sleep(0.05)
        write(ONLINE)
        sys.stdin.read()
        client.stop()


if __name__ == "__main__":
    main(sys.argv[1])
