"""Fan-out of one node: broadcasts to everyone, and notifications to single users, at 1,000 and 5,000 connections.

Compared with a C loop of send() on the same kind of sockets and with what people would build in Node. Ours goes the
whole way (POST, journal, worker, Redis, node); the peers get a bare PUBLISH. Three kinds of window:

- broadcast: one at a time, so that nobody can join frames; the rate is clients / (first to last arrival). Budgets
  look at this one.
- backlog: many at once. Ours joins what has piled up for a client into one send, so it may pass the floor, which
  sends every frame alone.
- unicast: many single users at once, prepared while the server is frozen, so that no publisher can be too slow.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from bench import machine
from bench.contestants import PAYLOAD, Contestant, Turn, floor_side, peer_sides, take_turn
from bench.context import Context
from bench.ours import our_side
from bench.report import Result, median, note, ratio_of_medians

Turns = dict[str, list[Turn]]
_IN_A_ROW = 8
_AFTER = 0.2
"""Seconds in which a server still works on what has arrived: ours writes down 50 ms later what was taken."""
_OURS = "bellhop"


def run(context: Context) -> Iterator[Result]:
    """One result for each number of connections."""
    for connections in (1000,) if context.quick else (1000, 5000):
        yield _at(context, connections)


def _at(context: Context, connections: int) -> Result:
    with ExitStack() as stack:
        note(f"fanout: {connections} connections to each server")
        ours = stack.enter_context(our_side(context, connections))
        size = ours.frame_size()
        sides: list[Contestant] = [stack.enter_context(floor_side(connections, size)), ours]
        sides += stack.enter_context(peer_sides(connections, context.valkey))
        return contest("fanout", context, sides, connections=connections, frame_bytes=size)


def contest(name: str, context: Context, sides: list[Contestant], *, connections: int, **more: int) -> Result:
    """All three kinds of window, the contestants taking turns; `more` are parameters that are told beside its own."""
    frames, singles = (100_000, 20_000) if context.quick else (200_000, 40_000)
    backlog = frames // connections
    turns = {
        "broadcast": _one_by_one(context, sides, connections),
        "backlog": _rounds(context, sides, "broadcast", backlog, frames),
        "unicast": _rounds(context, sides, "unicast", singles, singles),
    }
    parameters = {
        "connections": connections,
        "payload_bytes": PAYLOAD,
        **more,
        "broadcasts": context.windows * _IN_A_ROW,
        "backlog_broadcasts": backlog,
        "unicasts": singles,
        "windows": context.windows,
        "database": context.database_kind,
    }
    found = {key: value for kind in turns for key, value in _figures(kind, turns[kind]).items()}
    return Result(name, parameters, found, {kind: _table(kind, one) for kind, one in turns.items()})


def _rounds(context: Context, sides: list[Contestant], kind: str, count: int, expected: int) -> Turns:
    """Alternate the contestants; the first round warms socket buffers and is not counted."""
    found: Turns = {side.name: [] for side in sides}
    for number in range(context.windows + 1):
        for side in sides:
            turn = take_turn(side, kind, count, expected=expected)
            note(
                f"  {count:5} x {kind:9} {side.name:9} {turn.per_second:9.0f}/s {turn.cpu_us_per_frame:5.1f} us"
            )
            if number:
                found[side.name].append(turn)
    return found


def _one_by_one(context: Context, sides: list[Contestant], connections: int) -> Turns:
    """One broadcast, wait for the last client, the next one; a few in a row for each contestant."""
    found: Turns = {side.name: [] for side in sides}
    for number in range(context.windows + 1):
        for side in sides:
            turns = _in_a_row(side, connections)
            spread = median([turn.spread_ms for turn in turns])
            note(f"  1 x broadcast {side.name:9} {spread:6.1f} ms {turns[0].cpu_us_per_frame:5.1f} us")
            if number:
                found[side.name] += turns
    return found


def _in_a_row(side: Contestant, connections: int) -> list[Turn]:
    """A few single broadcasts; the processor time of each is that of all, with what the server does after the last."""
    before = machine.cpu_us(side.pids)
    turns = [take_turn(side, "broadcast", 1, expected=connections) for _ in range(_IN_A_ROW)]
    time.sleep(_AFTER)
    cost = (machine.cpu_us(side.pids) - before) / (connections * _IN_A_ROW)
    return [replace(turn, cpu_us_per_frame=cost) for turn in turns]


def _rates(kind: str, turns: list[Turn]) -> list[float]:
    """A single broadcast is timed from its first arrival: the way to the node is not the node's."""
    return [turn.frames / turn.spread_ms * 1e3 if kind == "broadcast" else turn.per_second for turn in turns]


def _table(kind: str, turns: Turns) -> dict[str, dict[str, float]]:
    """What each contestant did, in the middle of its windows."""
    return {
        name: {
            "per_second": median(_rates(kind, windows)),
            "cpu_us_per_frame": median([turn.cpu_us_per_frame for turn in windows]),
            "load_client_busy": median([turn.load_cpu_share for turn in windows]),
            "to_last_ms": median([turn.to_last_ms for turn in windows]),
        }
        for name, windows in turns.items()
    }


def _figures(kind: str, turns: Turns) -> dict[str, float]:
    """By rate, which is what counts, and by processor time, which a busy machine disturbs less."""
    found: dict[str, float] = {}
    ours = turns[_OURS]
    for name in turns.keys() - {_OURS}:
        theirs = turns[name]
        key = f"{kind}_{'of' if name == 'floor' else 'over'}_{name}"
        found[key] = ratio_of_medians(_rates(kind, ours), _rates(kind, theirs))
        found[f"{key}_by_cpu"] = ratio_of_medians(_costs(theirs), _costs(ours))
    return found


def _costs(turns: list[Turn]) -> list[float]:
    return [turn.cpu_us_per_frame for turn in turns]
