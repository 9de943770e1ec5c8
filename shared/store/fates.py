"""What keeps new deliveries from going at once, looked up and decided for all users of some parcels.

Only for notifications with terms: a local time, a collapse key, caps of their app, users for whom they were cancelled.
Under the users' locks, so two transactions that take from one user's allowance come one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.domain import caps as rules
from shared.domain import local_time
from shared.domain.caps import Cap, Judged
from shared.domain.delivery import State
from shared.domain.fate import GO, REPLACED, Fate, decide
from shared.models import tables as t
from shared.protocol.envelope import Body
from shared.store import allowances
from shared.store.apps import AppRow
from shared.store.rows import chunks

_U = t.users.c


@dataclass(frozen=True, slots=True)
class Terms:
    """What may keep a notification from some of its users. `caps`: those that hold for it. `cancelled`: names. `sent`:
    when it was to be sent, epoch milliseconds: of two with one collapse key the later one is the newer."""

    event: str
    sent: int
    collapse_key: str | None = None
    local: datetime | None = None
    caps: tuple[Cap, ...] = ()
    cancelled: frozenset[str] = frozenset()


class Parcel(Protocol):
    """As shared.store.allocation.Parcel."""

    @property
    def app(self) -> AppRow: ...
    @property
    def body(self) -> Body: ...
    @property
    def users(self) -> Sequence[tuple[int, str]]: ...
    @property
    def expired(self) -> bool: ...
    @property
    def terms(self) -> Terms | None: ...


@dataclass(slots=True)
class _Known:
    """What was looked up. `taken` changes as the users' allowances are taken from."""

    zones: Mapping[int, str | None] = field(default_factory=dict)
    taken: dict[tuple[int, str], int] = field(default_factory=dict)
    changed: dict[tuple[int, str], int] = field(default_factory=dict)


def terms(  # noqa: PLR0913 -- columns of a notification
    *,
    app: AppRow,
    event: str,
    priority: str,
    sent: int,
    collapse_key: str | None,
    local_at: str | None,
    cancelled: frozenset[str] = frozenset(),
) -> Terms | None:
    """The terms of a notification; None for most. Caps do not hold for what is critical."""
    caps = rules.matching(app.caps, event) if app.caps and priority != "critical" else ()
    if collapse_key is None and local_at is None and not caps and not cancelled:
        return None
    local = None if local_at is None else local_time.parse(local_at)
    return Terms(event, sent, collapse_key, local, caps, cancelled)


def decide_all(session: Session, parcels: Sequence[Parcel], *, now_ms: int) -> dict[str, dict[int, Fate]]:
    """The fates by notification and user; a user of whom it simply goes may be left out. Takes from allowances."""
    known = _Known(_zones(session, parcels), _taken(session, parcels))
    decided: dict[str, dict[int, Fate]] = {}
    for parcel in parcels:
        if parcel.terms is not None:
            found = {id: _decide(parcel, id, name, known, now_ms) for id, name in parcel.users}
            # Of one notification there may be several parcels.
            decided.setdefault(parcel.body.id, {}).update(found)
    _collapse(parcels, decided)
    if known.changed:
        allowances.write(session, known.changed)
    return decided


def _decide(parcel: Parcel, user_id: int, name: str, known: _Known, now_ms: int) -> Fate:
    asked = parcel.terms
    assert asked is not None  # noqa: S101 -- the caller looked
    local = asked.local
    return decide(
        now_ms=now_ms,
        expired=parcel.expired,
        cancelled=name in asked.cancelled,
        local_ms=None if local is None else local_time.in_zone(local, known.zones.get(user_id)),
        capped=partial(_judge, parcel, asked, user_id, known, now_ms) if asked.caps else None,
    )


def _judge(parcel: Parcel, asked: Terms, user_id: int, known: _Known, now_ms: int) -> Judged:
    own = {cap.key: known.taken.get((user_id, cap.key), 0) for cap in asked.caps}
    judged = rules.judge(
        asked.caps, own, event=asked.event, now_ms=now_ms, expires_at_ms=parcel.body.expires_at
    )
    for key, tat in judged.allowances.items():
        known.taken[user_id, key] = known.changed[user_id, key] = tat
    return judged


def _collapse(parcels: Sequence[Parcel], decided: dict[str, dict[int, Fate]]) -> None:
    """Of several that go to one user with one key in one transaction only the newest one does."""
    later: set[tuple[int, str, int]] = set()
    for parcel in sorted(parcels, key=rank, reverse=True):
        asked = parcel.terms
        if asked is None or asked.collapse_key is None:
            continue
        fate_of = decided[parcel.body.id]
        for user_id, _ in parcel.users:
            place = (parcel.app.id, asked.collapse_key, user_id)
            if fate_of[user_id] is not GO:
                continue
            if place in later:
                fate_of[user_id] = REPLACED
            later.add(place)


def _zones(session: Session, parcels: Sequence[Parcel]) -> dict[int, str | None]:
    wanted = _users(parcel for parcel in parcels if parcel.terms and parcel.terms.local)
    found: dict[int, str | None] = {}
    for part in chunks(wanted):
        found |= dict(session.execute(select(_U.id, _U.timezone).where(_U.id.in_(part))).all())
    return found


def _taken(session: Session, parcels: Sequence[Parcel]) -> dict[tuple[int, str], int]:
    capped = [parcel for parcel in parcels if parcel.terms and parcel.terms.caps]
    keys = sorted({cap.key for parcel in capped if parcel.terms for cap in parcel.terms.caps})
    return allowances.read(session, _users(capped), keys) if keys else {}


def _users(parcels: Iterable[Parcel]) -> list[int]:
    return sorted({user_id for parcel in parcels for user_id, _ in parcel.users})


def rank(parcel: Parcel) -> tuple[int, str]:
    """The order of notifications with one collapse key."""
    return parcel.terms.sent if parcel.terms else 0, parcel.body.id


def goes(decided: Mapping[int, Fate], user_id: int) -> bool:
    """Whether it simply goes."""
    return decided.get(user_id, GO).state is State.PENDING
