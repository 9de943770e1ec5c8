"""Frequency caps: how often one user may get something, whoever sends it.

Rule P. A cap holds for one event name or for all. What is over a cap that drops is skipped; what is over one that holds
waits until it fits. It takes its place at once, for the instant at which it will go out, so held ones are spread out,
keep their order and need no second look. Priority critical is not judged at all: it passes and takes nothing.
"""

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import orjson

from shared.domain.gcra import Policy, take

CAPS: Final = 20
"""Caps of an app at most."""
LIMIT: Final = 1000
PER_S: Final = 31 * 86_400
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Action(StrEnum):
    """What becomes of a notification that is over a cap."""

    DROP = "drop"
    HOLD = "hold"


class Verdict(StrEnum):
    """What the caps say of one notification for one user."""

    GO = "go"
    HOLD = "hold"
    DROP = "drop"


class Cap(NamedTuple):
    """At most `limit` notifications of `event` (None: of all) in `per_s` seconds for one user.

    `key` names what a user has taken of it (table `allowances`). It is made of the whole definition: a cap that is
    changed begins anew, because what was taken under another rule says nothing under this one.
    """

    id: str
    event: str | None
    limit: int
    per_s: int
    action: Action
    key: str

    @property
    def policy(self) -> Policy:
        """The rule behind it."""
        return Policy(self.limit, self.per_s * 1000)


class Judged(NamedTuple):
    """The verdict; until when it is held (epoch ms) and because of which cap; what to remember.

    `allowances`: new values by the cap's key, only for caps that were changed.
    """

    verdict: Verdict
    until_ms: int | None = None
    cap_id: str | None = None
    allowances: Mapping[str, int] = MappingProxyType({})


_GO: Final = Judged(Verdict.GO)


def check_id(text: str) -> bool:
    """Whether `text` is an id that a cap can have."""
    return _ID.fullmatch(text) is not None


def make(id: str, event: str | None, limit: int, per_s: int, action: Action) -> Cap:
    """The cap with its key."""
    definition = orjson.dumps([id, event, limit, per_s, action])
    return Cap(id, event, limit, per_s, action, hashlib.blake2b(definition, digest_size=8).hexdigest())


@functools.lru_cache(maxsize=1024)
def parse(text: str | None) -> tuple[Cap, ...]:
    """The caps in the column apps.caps, by id. Remembered: it is read for every group and seldom changed."""
    if text is None:
        return ()
    rows = orjson.loads(text)
    return tuple(make(r["id"], r["event"], r["limit"], r["per"], Action(r["action"])) for r in rows)


def dump(caps: Sequence[Cap]) -> str | None:
    """What `parse` reads; None for none."""
    rows = [
        {"id": c.id, "event": c.event, "limit": c.limit, "per": c.per_s, "action": c.action}
        for c in sorted(caps, key=lambda cap: cap.id)
    ]
    return orjson.dumps(rows).decode() if rows else None


def matching(caps: Sequence[Cap], event: str) -> tuple[Cap, ...]:
    """Those that hold for an event."""
    return tuple(cap for cap in caps if cap.event is None or cap.event == event)


def judge(
    caps: Sequence[Cap], allowances: Mapping[str, int], *, event: str, now_ms: int, expires_at_ms: int
) -> Judged:
    """Decide on one notification for one user; `allowances` are what the user has taken so far, by the caps' keys.

    All caps that match must agree. One that drops and is exhausted now wins; else it is held until all that hold have
    room, and dropped if that is not before `expires_at_ms`. What is dropped takes nothing. What is held counts in every
    matching cap as of the instant when it goes out.
    """
    matched = matching(caps, event)
    if not matched:
        return _GO
    now = now_ms * 1000
    out_ms, holding = now_ms, None
    changed: dict[str, int] = {}
    for cap in matched:
        taken = take(cap.policy, allowances.get(cap.key, 0), now)
        if taken.allowed:
            changed[cap.key] = taken.tat
            continue
        if cap.action is Action.DROP:
            return Judged(Verdict.DROP, cap_id=cap.id)
        # One event never is bigger than a limit.
        free_ms = -(-(now + (taken.retry or 0)) // 1000)
        if free_ms > out_ms:
            out_ms, holding = free_ms, cap
    if holding is None:
        return Judged(Verdict.GO, allowances=changed)
    if out_ms >= expires_at_ms:
        return Judged(Verdict.DROP, cap_id=holding.id)
    later = {cap.key: take(cap.policy, allowances.get(cap.key, 0), out_ms * 1000).tat for cap in matched}
    return Judged(Verdict.HOLD, out_ms, holding.id, later)
