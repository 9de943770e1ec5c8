"""What the session machine tells its shell to do: plain values, so that the machine needs no socket and no clock."""

from typing import NamedTuple

from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts


class Welcome(NamedTuple):
    """Greet the client. `recovered` None: frames and CaughtUp follow; `me`, `all`, `counts` None: on their way."""

    epoch: str
    me: int | None
    all: int | None
    recovered: bool | None
    counts: Counts | None
    rev: int | None


class Deliver(NamedTuple):
    """Send a notification frame; `free` ones belong to a resume and do not count as slowness."""

    stream: str
    seq: int
    prev: int
    fragment: bytes
    free: bool


class Position(NamedTuple):
    """Say that there is nothing for this client in (prev, seq]."""

    stream: str
    prev: int
    seq: int


class CaughtUp(NamedTuple):
    """End the replay that Welcome announced."""

    me: int
    all: int
    recovered: bool


class Told(NamedTuple):
    """Send the counts that Welcome did not have."""

    counts: Counts
    rev: int


class Retracted(NamedTuple):
    """Take notifications away; without `counts` and `rev` where they differ between users."""

    ids: list[str]
    reason: str
    counts: Counts | None
    rev: int | None


class Said(NamedTuple):
    """Send a ready frame that had to wait for Welcome."""

    frame: bytes


class Acked(NamedTuple):
    """The client has confirmed these positions; 0 = nothing new on that stream."""

    me: int
    all: int


class AskSync(NamedTuple):
    """Enqueue a `sync` job. If `step` is not None, call `Session.overdue(step)` at the replay deadline."""

    step: int | None


class AskReplay(NamedTuple):
    """Enqueue a `replay` job after these positions; call `Session.overdue(step)` at the replay deadline."""

    step: int
    attempt: int
    me: int | None
    all: int | None


class WaitGap(NamedTuple):
    """Call `Session.overdue(step)` when the missing frame has had its time to arrive."""

    step: int


class ReadTail(NamedTuple):
    """Read the tails after these positions (None: not that stream) and call `Session.tails`."""

    step: int
    me: int | None
    all: int | None


class Repaired(NamedTuple):
    """A gap is closed; `source` is where the missing frames came from."""

    source: str


class Fail(NamedTuple):
    """This connection cannot go on: say bye and close with `code`."""

    code: CloseCode
    reason: str


Event = (
    Welcome
    | Deliver
    | Position
    | CaughtUp
    | Told
    | Retracted
    | Said
    | Acked
    | AskSync
    | AskReplay
    | WaitGap
    | ReadTail
    | Repaired
    | Fail
)


def pass_over(events: list[Event], position: Position) -> None:
    """Say `position`, in one with the one before where that ends where this begins."""
    before = events[-1] if events else None
    if isinstance(before, Position) and (before.stream, before.seq) == (position.stream, position.prev):
        events[-1] = before._replace(seq=position.seq)
    else:
        events.append(position)
