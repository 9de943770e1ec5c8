"""Memory of an idle connection: how much the node grows when 1,000 and then 5,000 signed-in clients are connected.

Resident memory of the node's process from /proc, nothing else; the kernel's socket buffers are the same for everybody.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench import machine, peers
from bench.context import Context
from bench.load_tools import Socket, WebSocketLoad
from bench.played_node import make_known
from bench.processes import poll_until
from bench.report import Result, note
from bench.stack import stack

_STEPS = (1000, 5000)
_WARM = 50


def run(context: Context) -> Iterator[Result]:
    """One result: our node, and `ws` beside it."""
    steps = _STEPS[:1] if context.quick else _STEPS
    with stack(context, nodes=1, under_test=("node",)) as ours:
        pid = ours.node_pid(0)
        # What is loaded with the first connections is not the price of the others.
        with WebSocketLoad(ours.sockets([f"w{i}" for i in range(_WARM)])):
            pass
        names = [f"m{i}" for i in range(steps[-1])]
        make_known(ours, names)
        found = grow(pid, [ours.sockets(names[a:b]) for a, b in ranges(steps)], mode="native")
    figures = {"kib_per_connection": found[-1]["kib_per_connection"]}
    detail: dict[str, object] = {"bellhop": found}
    if peers.available():
        with peers.ws_node(context.valkey) as child:
            groups = [[Socket(peers.WS_PORT, f"/?user=m{i}") for i in range(a, b)] for a, b in ranges(steps)]
            theirs = grow(child.pid, groups, mode="plain")
        detail["ws"] = theirs
        figures["of_ws"] = figures["kib_per_connection"] / theirs[-1]["kib_per_connection"]
    yield Result("memory", {"connections": list(steps), "warmed_with": _WARM}, figures, detail)


def ranges(steps: tuple[int, ...]) -> list[tuple[int, int]]:
    """From one step to the next."""
    return list(zip((0, *steps[:-1]), steps, strict=True))


def grow(pid: int, groups: list[list[Socket]], *, mode: str) -> list[dict[str, float]]:
    """Connect group after group, and see what each has cost the process."""
    before, connected, found = _settled_rss(pid), 0, []
    with ExitStack() as exits:
        for group in groups:
            load = exits.enter_context(WebSocketLoad(group, mode=mode))
            connected += load.opened
            rss = _settled_rss(pid)
            per = (rss - before) / connected
            note(f"  memory {mode:7} {connected:5} connections: {rss} KiB, {per:.2f} KiB each")
            found.append(
                {
                    "connections": connected,
                    "rss_kib_before": before,
                    "rss_kib": rss,
                    "kib_per_connection": per,
                    "handshakes_per_second": load.opened / load.connect_seconds,
                }
            )
    return found


def _settled_rss(pid: int) -> int:
    """Resident memory once it stopped moving for a second."""
    history = [machine.rss_kib(pid)]

    def still() -> bool:
        time.sleep(0.25)
        history.append(machine.rss_kib(pid))
        return len(history) > 4 and len(set(history[-4:])) == 1

    poll_until(still, 20, "the process does not stop growing")
    return history[-1]
