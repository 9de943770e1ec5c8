"""When a failed entry or page is tried again, and in how large a company an entry is.

Pure, so that the whole life of a failing notification can be read off one table in a test. No Celery retry is used:
the journal or the page's row keeps the next due time, because a message with an eta lives in one worker's memory. The
reconciler, which looks each 5 s, brings back what is due.
"""

from dataclasses import dataclass

FIRST_S = 15.0
LONGEST_S = 300.0
SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The attempts are used up: the entry becomes a failed notification, the page a failed page."""

    attempts: int


def next_attempt(attempt: int, *, attempts_max: int, jitter: float) -> Retry | GiveUp:
    """Decide what follows failed attempt number `attempt` (1-based): a wait of up to 15, 30, 60 … 300 s, or the end.

    `jitter` is a number between 0 and 1, drawn evenly: it is the part of the wait that is waited, and never less than
    a second. So what failed together comes back spread over the whole wait, not in one wave.
    """
    if attempt >= attempts_max:
        return GiveUp(attempt)
    # The exponent is bounded because attempts_max is a setting and 2.0 ** 2000 is not a number.
    longest = min(FIRST_S * 2.0 ** min(attempt - 1, 16), LONGEST_S)
    return Retry(max(longest * jitter, SHORTEST_S))


def company(failures: int, *, group_members: int) -> int:
    """How many entries with so many failures may share one group: 256, 64, 16, 4, then alone.

    A group that ran out of time names no culprit; shrinking it does, and keeps a bad entry from the good ones.
    """
    return max(1, group_members >> (2 * min(failures, 16)))
