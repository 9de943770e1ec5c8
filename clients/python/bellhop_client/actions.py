"""What the protocol asks its shell to do: plain values, so that a test can compare them.

Kept apart from the machine that makes them, because the shell and the tests import only these.
"""

from dataclasses import dataclass, field, replace
from typing import Any

Frame = dict[str, Any]
"""One JSON object of the wire."""
STREAMS = ("me", "all")


@dataclass(frozen=True, slots=True)
class Position:
    """How far both streams are known: `None` is "not known yet"."""

    epoch: str | None = None
    me: int | None = None
    all: int | None = None

    def known(self) -> bool:
        """Whether there is anything to resume from."""
        return self.epoch is not None and (self.me is not None or self.all is not None)

    def since(self) -> Frame | None:
        """The `since` object of the next sign-in, without what is not known."""
        return self.as_dict() if self.known() else None

    def get(self, stream: str) -> int | None:
        """The position in one stream."""
        return self.me if stream == "me" else self.all

    def at(self, stream: str, seq: int) -> "Position":
        """The same with one stream moved."""
        return replace(self, me=seq) if stream == "me" else replace(self, all=seq)

    def filled(self, theirs: "Position") -> "Position":
        """The same with the other's position where none is known."""
        me = theirs.me if self.me is None else self.me
        return Position(theirs.epoch, me, theirs.all if self.all is None else self.all)

    def as_dict(self) -> Frame:
        """The known fields; what a storage keeps."""
        fields = {"epoch": self.epoch, "me": self.me, "all": self.all}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def of(cls, fields: Frame | None) -> "Position":
        """Read a stored or received position; what is not a whole number ≥ 0 counts as not known."""
        given = fields or {}
        epoch = given.get("epoch")
        if not isinstance(epoch, str):
            return cls()
        return cls(epoch, whole(given.get("me")), whole(given.get("all")))


def whole(value: object) -> int | None:
    """`value` if it is a whole number ≥ 0 (`True` is none), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def fields_of(frame: Frame) -> Frame:
    """A frame without its envelope."""
    return {name: value for name, value in frame.items() if name not in ("type", "ref")}


@dataclass(frozen=True, slots=True)
class Send:
    """Write this frame to the socket."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Show:
    """Give this notification to the handlers, then call `done` or `failed`."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream cannot be made whole: let the caller reload by HTTP, then call `done` or `failed`."""

    reason: str
    position: Position


@dataclass(frozen=True, slots=True)
class Save:
    """Keep this position; `replace` tells that it may be lower than the kept one."""

    position: Position
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell listeners of `event`."""

    event: str
    payload: Frame = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer the request `ref`: with a result, or with an error."""

    ref: str
    result: Frame | None = None
    error: Frame | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with this code; nothing that arrives on it counts any more."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Connect again after `delay` seconds; `renew` asks for a fresh token."""

    delay: float
    renew: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not connect again."""

    code: int
    reason: str


Action = Send | Show | Lost | Save | Emit | Settle | Close | Retry | Stop
