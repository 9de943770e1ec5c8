"""The verdict: what was accepted against what was shown. Pure, and from nothing else.

Never from Redis, SQL or the service's own counters: a service that loses a notification may well lose its count.
Times are seconds of one monotonic clock that all processes of the machine share.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Shown:
    """One notification on one screen. `number` is the ledger's own, carried in the data."""

    at: float
    stream: str
    seq: int
    number: int


@dataclass(frozen=True, slots=True)
class Screen:
    """What one device showed, in its order."""

    device: str
    user: str
    shown: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of the ledger. `users` None: for everyone. `accepted_at` None: never answered with 202."""

    number: int
    users: frozenset[str] | None
    asked_at: float
    """When the attempt began that was answered with 202."""
    accepted_at: float | None


@dataclass(frozen=True, slots=True)
class Harm:
    """A fault, from its beginning to its end."""

    what: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of every drill. `recovery_s` None: there was no harm, or it was never overcome."""

    accepted: int
    lost: int
    """Accepted, addressed to a device, and not on its screen."""
    repeated: int
    """On a screen a second time."""
    reordered: int
    """On a screen after a later one of the same stream."""
    strange: int
    """On a screen without having been asked for, or not for this user."""
    holes: int
    """Numbers of a stream that a screen never had between its first and its last."""
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    recovery_s: float | None
    missing: tuple[int, ...] = field(default=(), repr=False)
    """Numbers of some of the lost, for whoever looks for the cause."""

    @property
    def clean(self) -> bool:
        """Whether every notification was shown exactly once, in order, and nothing else was."""
        return not (self.lost or self.repeated or self.reordered or self.strange)


def judge(ledger: Iterable[Asked], screens: Sequence[Screen], harms: Sequence[Harm] = ()) -> Verdict:
    """Compare ledger and screens."""
    asked = {line.number: line for line in ledger}
    accepted = {line.number: line for line in asked.values() if line.accepted_at is not None}
    first = first_shown(screens)
    wanted, missing = 0, []
    for screen in screens:
        for number, line in accepted.items():
            if line.users is None or screen.user in line.users:
                wanted += 1
                if (screen.device, number) not in first:
                    missing.append(number)
    delays = sorted(
        max(0.0, at - accepted[number].asked_at) for (_, number), at in first.items() if number in accepted
    )
    return Verdict(
        accepted=len(accepted),
        lost=len(missing),
        repeated=sum(_repeated(screen) for screen in screens),
        reordered=sum(_reordered(screen) for screen in screens),
        strange=sum(_strange(screen, asked) for screen in screens),
        holes=sum(_holes(screen) for screen in screens),
        latency_p50_ms=_ms(percentile(delays, 0.50)),
        latency_p99_ms=_ms(percentile(delays, 0.99)),
        recovery_s=recovery(accepted.values(), first, harms) if harms and not missing else None,
        missing=tuple(sorted(set(missing))[:20]),
    )


def first_shown(screens: Sequence[Screen]) -> dict[tuple[str, int], float]:
    """When each notification first stood on each device."""
    first: dict[tuple[str, int], float] = {}
    for screen in screens:
        for shown in screen.shown:
            first.setdefault((screen.device, shown.number), shown.at)
    return first


def recovery(
    accepted: Iterable[Asked], first: dict[tuple[str, int], float], harms: Sequence[Harm]
) -> float | None:
    """The longest time from the end of a harm until all accepted by then was shown, and something newer too."""
    last_of: dict[int, float] = defaultdict(float)
    first_of: dict[int, float] = {}
    for (_, number), at in first.items():
        last_of[number] = max(last_of[number], at)
        first_of[number] = min(first_of.get(number, at), at)
    lines = [line for line in accepted if line.number in last_of and line.accepted_at is not None]
    longest = 0.0
    for harm in harms:
        before = (last_of[line.number] for line in lines if (line.accepted_at or 0.0) <= harm.ended)
        after = (first_of[line.number] for line in lines if line.asked_at >= harm.ended)
        longest = max(longest, max(before, default=0.0) - harm.ended, min(after, default=0.0) - harm.ended)
    return round(longest, 3)


def flow(
    accepted: Iterable[Asked], first: dict[tuple[str, int], float], harms: Sequence[Harm]
) -> float | None:
    """The longest time from the end of a harm until something asked for afterwards was shown; None if never."""
    asked = {line.number: line.asked_at for line in accepted if line.accepted_at is not None}
    longest: float | None = None
    for harm in harms:
        after = (at for (_, number), at in first.items() if asked.get(number, 0.0) >= harm.ended)
        if (soonest := min(after, default=None)) is not None:
            longest = max(longest or 0.0, soonest - harm.ended)
    return None if longest is None else round(longest, 3)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the ordered values lie."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _repeated(screen: Screen) -> int:
    return sum(count - 1 for count in Counter(shown.number for shown in screen.shown).values())


def _reordered(screen: Screen) -> int:
    highest: dict[str, int] = {}
    late = 0
    for shown in screen.shown:
        late += shown.seq < highest.get(shown.stream, 0)
        highest[shown.stream] = max(shown.seq, highest.get(shown.stream, 0))
    return late


def _strange(screen: Screen, asked: dict[int, Asked]) -> int:
    def fits(number: int) -> bool:
        line = asked.get(number)
        return line is not None and (line.users is None or screen.user in line.users)

    return sum(not fits(shown.number) for shown in screen.shown)


def _holes(screen: Screen) -> int:
    seqs: dict[str, set[int]] = defaultdict(set)
    for shown in screen.shown:
        seqs[shown.stream].add(shown.seq)
    return sum(max(found) - min(found) + 1 - len(found) for found in seqs.values())
