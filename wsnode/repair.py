"""What a connection needs only while it is not in step with its streams; an idle one has none of this.

Pure. Held frames are bounded in bytes; over the bound the newest are dropped and the target remembers that they exist,
so that they are fetched afterwards instead of being forgotten.
"""

from enum import Enum, auto
from itertools import count
from typing import Final

from shared.protocol.envelope import ReplayPart, TailFrame
from shared.redis.streams import Connected, Since
from wsnode import events as say

ATTEMPTS: Final = 2
"""A job is asked for, and once again."""

_OVERHEAD: Final = 200
"""Rough cost of holding one frame besides its text, so that many tiny ones are bounded too."""

_steps = count(1)


class Phase(Enum):
    """What the repair waits for."""

    OPENING = auto()
    """The registration in Redis."""
    SYNCING = auto()
    """A `sync` job: Redis does not know the user, or knows less than the client."""
    GAP = auto()
    """A missing frame that may still arrive by itself."""
    TAIL = auto()
    """The tails, being read."""
    REPLAY = auto()
    """A `replay` job."""
    ENDED = auto()
    """Nothing: the connection is closing."""


class Repair:
    """One way back into step. `step` changes with each phase, so that a late answer to an earlier one is seen."""

    __slots__ = (
        "_bytes",
        "_held",
        "_retracts",
        "_said",
        "all_target",
        "announced",
        "attempts",
        "me_target",
        "phase",
        "since",
        "step",
    )

    def __init__(self, phase: Phase, since: Since | None = None) -> None:
        self.phase = phase
        self.step = next(_steps)
        self.since = since
        """Where the client said it stands; only while opening."""
        self.attempts = 0
        """How often a job was asked for."""
        self.announced = False
        """Welcome said `recovered: null`, so the client waits for `caught_up`."""
        self.me_target = 0
        """The highest seq that is known to exist; the repair ends when it is reached."""
        self.all_target = 0
        self._held: dict[str, dict[int, TailFrame]] = {}
        self._bytes = 0
        self._retracts: list[say.Event] = []
        self._said: list[say.Event] = []

    def enter(self, phase: Phase) -> int:
        """Go to another phase; the new step."""
        self.phase = phase
        self.step = next(_steps)
        return self.step

    def reach(self, me: int | None, everyone: int | None) -> None:
        """Remember that these places exist on the streams; None: nothing is known."""
        self.me_target = max(self.me_target, me or 0)
        self.all_target = max(self.all_target, everyone or 0)

    def hold(self, stream: str, frame: TailFrame, limit: int) -> None:
        """Keep a frame for later, if `limit` bytes allow; remember in any case that it exists."""
        self.reach(frame.seq if stream == "me" else None, frame.seq if stream == "all" else None)
        size = len(frame.fragment) + _OVERHEAD
        held = self._held.setdefault(stream, {})
        if frame.seq not in held and self._bytes + size <= limit:
            held[frame.seq] = frame
            self._bytes += size

    def hold_retract(self, what: say.Retracted, limit: int) -> None:
        """Keep a retraction for the end; over `limit` bytes it is dropped, and the client learns it by reloading."""
        size = sum(map(len, what.ids)) + _OVERHEAD
        if self.phase is not Phase.ENDED and self._bytes + size <= limit:
            self._retracts.append(what)
            self._bytes += size

    def hold_said(self, frame: bytes, limit: int) -> None:
        """Keep a ready frame until after Welcome; over `limit` bytes it is dropped, like what is lost on its way."""
        size = len(frame) + _OVERHEAD
        if self.phase is not Phase.ENDED and self._bytes + size <= limit:
            self._said.append(say.Said(frame))
            self._bytes += size

    def said(self) -> list[say.Event]:
        """Take what was kept for after Welcome."""
        said, self._said = self._said, []
        return said

    def retracts(self) -> list[say.Event]:
        """What was kept for the end."""
        return list(self._retracts)

    def release(self, stream: str) -> list[TailFrame]:
        """Take what is held of a stream, in order; what still does not fit comes back by hold()."""
        held = self._held.pop(stream, {})
        self._bytes -= sum(len(frame.fragment) + _OVERHEAD for frame in held.values())
        return [held[seq] for seq in sorted(held)]


def covers(last: int, frames: list[TailFrame], top: int) -> bool:
    """Whether the frames lead from `last` to `top` without a hole."""
    for frame in frames:
        if frame.prev > last:
            return False
        last = max(last, frame.seq)
    return last >= top


def reaches(part: ReplayPart, me: int | None, everyone: int | None) -> bool:
    """Whether a replay led to what its database calls the tops; a stream of which it held nothing is where it began."""
    for last, since, top in ((me, part.me_since, part.me), (everyone, part.all_since, part.all)):
        stands = since if last is None else last
        if stands is not None and stands < top:
            return False
    return True


def is_ahead(since: Since, found: Connected) -> bool:
    """The client knows more than Redis: either Redis lost something, or the client is wrong."""
    return since.epoch == found.epoch and ((since.me or 0) > found.me_top or (since.all or 0) > found.all_top)


def is_foreign(since: Since, found: Connected) -> bool:
    """The client's positions are of another life of the streams."""
    says = since.me is not None or since.all is not None
    return says and since.epoch is not None and since.epoch != found.epoch
