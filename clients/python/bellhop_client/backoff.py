"""Whether and when to come back after a connection ended: a pure table and a pure formula.

Randomness comes in as a number between 0 and 1, so that the schedule can be tested.
"""

from dataclasses import dataclass

from bellhop_client.actions import Frame, whole

TERMINAL_CODES = frozenset({4001, 4003})
"""Close codes after which a client must not come back by itself."""
TOKEN_EXPIRED = 4011
FIRST = 0.5
MOST = 30.0
LONGEST_ADVICE = 3600.0
"""A `retry_after` above an hour, or below 0, is taken for a mistake and not followed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, and what that asks for."""

    code: int
    reason: str
    back: bool
    wait: float


def delay(tries: int, jitter: float) -> float:
    """Full jitter: between nothing and 0.5 s, doubled per try without progress, at most 30 s."""
    return jitter * min(MOST, FIRST * 2.0 ** min(tries, 16))


def ending(code: int, reason: str, bye: Frame | None, *, retry_after: float | None, renews: bool) -> Ending:
    """Read a close. A `bye` knows better than the code: behind a cut the code is only 1006."""
    advice = bye or {}
    code = whole(advice.get("code")) or code
    told = advice.get("reconnect")
    back = told if isinstance(told, bool) else code not in TERMINAL_CODES
    if code == TOKEN_EXPIRED and not renews:
        back = False
    wait = max(_seconds(advice.get("retry_after")), _seconds(retry_after))
    return Ending(code, str(advice.get("reason") or reason), back, wait)


def _seconds(value: object) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return float(number) if 0 <= number <= LONGEST_ADVICE else 0.0
