"""What clients of one app have confirmed and nobody has written down yet. Pure bookkeeping.

A number per user and stream, not an ack per client and frame: it grows with the users and not with what they get.
"""

from collections.abc import Iterator

from shared.redis.acks import BATCH


class Confirmed:
    """How far users of one app confirmed their own stream and everyone's: at most one number of each for a user."""

    __slots__ = ("all", "me")

    def __init__(self) -> None:
        self.me: dict[str, int] = {}
        self.all: dict[str, int] = {}

    def add(self, user: str, me: int, everyone: int) -> None:
        """The higher number stays; 0 says nothing."""
        if me > self.me.get(user, 0):
            self.me[user] = me
        if everyone > self.all.get(user, 0):
            self.all[user] = everyone

    def parts(self) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
        """Both in pieces that one call takes."""
        me, everyone = list(self.me.items()), list(self.all.items())
        for start in range(0, max(len(me), len(everyone)), BATCH):
            yield dict(me[start : start + BATCH]), dict(everyone[start : start + BATCH])

    def __contains__(self, user: str) -> bool:
        return user in self.me or user in self.all

    def __len__(self) -> int:
        return len(self.me.keys() | self.all.keys())
