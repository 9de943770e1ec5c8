"""Start a system and wait to be killed: the supervisor that the orphan tests shoot.

Arguments: data folder, Procfile, first port. Prints the process ids as one JSON line.
"""

import json
import signal
import sys
from pathlib import Path

from launcher.system import Ports, System

if __name__ == "__main__":
    folder, procfile, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    system = System(
        folder, procfile=procfile, ports=Ports.block(first), env={"BELLHOP_NODES": "1"}, database=False
    )
    with system:
        children = [child for name, index in system.pids() for child in system.children(name, index)]
        print(json.dumps([*system.pids().values(), *children]), flush=True)
        signal.pause()
