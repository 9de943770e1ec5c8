"""Socket.IO clients on one node against npm Socket.IO with its redis-adapter: fan-out, single users, memory.

The windows are those of `fanout`, the same load client speaks to both, over WebSocket alone. Ours goes the whole way
(POST, journal, worker, tail, Redis, node) and speaks to clients of an earlier design (`new_notification`); theirs
emits what another server would have published through the adapter.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from bench import peers
from bench.cases.fanout import contest
from bench.cases.memory import grow, ranges
from bench.contestants import Contestant, socketio_peers, socketio_side
from bench.context import Context
from bench.load_tools import WebSocketLoad
from bench.ours import our_side
from bench.played_node import make_known
from bench.report import Result, note
from bench.stack import stack

_STEPS = (1000, 5000)
_WARM = 50


def run(context: Context) -> Iterator[Result]:
    """Rates at 1,000 and 5,000 connections, then memory."""
    steps = _STEPS[:1] if context.quick else _STEPS
    for connections in steps:
        yield _rates(context, connections)
    yield _memory(context, steps)


def _rates(context: Context, connections: int) -> Result:
    with ExitStack() as exits:
        note(f"socketio: {connections} connections to each server")
        sides: list[Contestant] = [exits.enter_context(our_side(context, connections, mode="socketio"))]
        sides += exits.enter_context(socketio_side(connections, context.valkey))
        return contest("socketio", context, sides, connections=connections)


def _memory(context: Context, steps: tuple[int, ...]) -> Result:
    names = [f"m{i}" for i in range(steps[-1])]
    with stack(context, nodes=1, under_test=("node",)) as ours:
        with WebSocketLoad(ours.socketio([f"w{i}" for i in range(_WARM)]), mode="socketio"):
            pass
        make_known(ours, names)
        groups = [ours.socketio(names[a:b]) for a, b in ranges(steps)]
        found = grow(ours.node_pid(0), groups, mode="socketio")
    result = {"kib_per_connection": found[-1]["kib_per_connection"]}
    detail: dict[str, object] = {"bellhop": found}
    if peers.available():
        with peers.socketio_node(context.valkey) as child:
            groups = [socketio_peers(names[a:b]) for a, b in ranges(steps)]
            theirs = grow(child.pid, groups, mode="socketio")
        detail["socketio"] = theirs
        result["of_socketio"] = result["kib_per_connection"] / theirs[-1]["kib_per_connection"]
    return Result("socketio_memory", {"connections": list(steps), "warmed_with": _WARM}, result, detail)
