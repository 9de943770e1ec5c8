"""Cut what the database had for one connection into envelopes of bounded size. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared.protocol.envelope import TailFrame

PART_BYTES = 256 * 1024
OVERHEAD = 64
"""Bytes of one line of an envelope beside its fragment: letter, three numbers, separators."""


@dataclass(slots=True)
class Part:
    """What one envelope carries."""

    me: list[TailFrame] = field(default_factory=list)
    all: list[TailFrame] = field(default_factory=list)


def cut(me: Sequence[TailFrame], all: Sequence[TailFrame], *, limit: int = PART_BYTES) -> Iterator[Part]:
    """Parts in order, `me` before `all`, each of at most `limit` bytes unless one frame is larger by itself.

    There is at least one part, because the last one tells the connection that its replay is over.
    """
    part, size = Part(), 0
    for frames, name in ((me, "me"), (all, "all")):
        for frame in frames:
            own = len(frame.fragment) + OVERHEAD
            if size and size + own > limit:
                yield part
                part, size = Part(), 0
            getattr(part, name).append(frame)
            size += own
    yield part
