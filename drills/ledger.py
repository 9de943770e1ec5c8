"""The ledger: what was asked of Bellhop, with numbers of our own, and how it answered.

The number travels in the data of the notification, so that a screen can be compared even where no answer ever came.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from drills.verdict import Asked, percentile

ACCEPTED = 202
UNAVAILABLE = 503
CUT = 0
"""The status of an attempt that got no answer at all."""


@dataclass(slots=True)
class Line:
    """One notification: whom it is for, and what came of asking."""

    number: int
    users: tuple[str, ...] | None
    key: str
    asked_at: float = 0.0
    accepted_at: float | None = None
    id: str = ""

    def asked(self) -> Asked:
        """The line as the verdict wants it."""
        users = None if self.users is None else frozenset(self.users)
        return Asked(self.number, users, self.asked_at, self.accepted_at)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and its answer. `retry_after` is None where the answer had none."""

    began: float
    ended: float
    status: int
    retry_after: float | None


@dataclass(slots=True)
class Ledger:
    """All lines and all attempts; may be written from several threads."""

    name: str
    lines: dict[int, Line] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    bodies: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The body of each line, to be repeated exactly."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, users: Iterable[str] | None, **fields: Any) -> Line:
        """A new line for these users, or None for everyone; `fields` go into the body beside its data.

        `data_padding` makes the data so many characters longer.
        """
        padding = {"padding": "x" * fields.pop("data_padding")} if "data_padding" in fields else {}
        names = None if users is None else tuple(users)
        with self._lock:
            number = len(self.lines) + 1
            line = Line(number, names, f"{self.name}-{number}")
            self.lines[number] = line
        to: dict[str, Any] = {"everyone": True} if names is None else {"users": list(names)}
        self.bodies[number] = {
            "to": to,
            "event": "drill",
            "data": {"n": number, **padding},
            "ttl": 3600,
            **fields,
        }
        return line

    def tried(self, attempt: Attempt) -> None:
        """Note an attempt."""
        with self._lock:
            self.attempts.append(attempt)

    def accepted(self) -> list[Line]:
        """The lines that were answered with 202."""
        return [line for line in list(self.lines.values()) if line.accepted_at is not None]

    def asked(self) -> list[Asked]:
        """All lines for the verdict."""
        return [line.asked() for line in list(self.lines.values())]

    def statuses(self) -> dict[str, int]:
        """How often each status was answered; `cut` where there was no answer."""
        found = Counter(attempt.status for attempt in list(self.attempts))
        return {"cut" if status == CUT else str(status): count for status, count in sorted(found.items())}

    def unexpected(self) -> int:
        """Answers that are neither 202 nor 503 nor a cut connection."""
        return sum(attempt.status not in (ACCEPTED, UNAVAILABLE, CUT) for attempt in list(self.attempts))

    def without_retry_after(self) -> int:
        """503s that do not say when to come back."""
        return sum(a.status == UNAVAILABLE and a.retry_after is None for a in list(self.attempts))

    def answer_seconds(
        self, share: float, *, since: float = 0.0, until: float = float("inf")
    ) -> float | None:
        """The time below which `share` of the attempts that began within a span were answered or cut."""
        found = [a.ended - a.began for a in list(self.attempts) if since <= a.began <= until]
        return percentile(sorted(found), share)


def unanswered(lines: Sequence[Line]) -> int:
    """How many were asked for and never accepted."""
    return sum(line.accepted_at is None for line in lines)
