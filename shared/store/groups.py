"""Hop 5 of 9: write a group of accepted notifications down, in one transaction.

Lock order: notification, `all`, then users sorted. A number is given under the lock of its stream and in the
transaction that writes the row, so numbers are gap-free and come into sight in their order. What exists already is
left as it is: a second run of the same group changes nothing and makes the same frames.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.audience import pages, recipients, repaged
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Body
from shared.store import (
    apps,
    audiences,
    broadcasts,
    cancellations,
    fates,
    framing,
    names,
    page_failures,
    reading_back,
    rescues,
    scheduled,
)
from shared.store.allocation import Parcel, deliver
from shared.store.apps import AppRow
from shared.store.bulk import Bulk, bulk_for
from shared.store.framing import FrameSet
from shared.store.pages import insert_pages
from shared.store.rows import Member, NewNotification, PageRef, StoredGroup

Cancelled = Mapping[str, frozenset[str] | None]
_NONE: Final[Cancelled] = {}


@dataclass(frozen=True, slots=True)
class _Plan:
    """A member with what was decided about it. `nobody`: no frame will ever be made of it.

    One with topics or segments is not `resolved` until it is certain that it is new; `parts` are the pages of its
    audience then, if that is too big to be held. `scheduled`: it waits for its time. `to_all`: it has a place on the
    stream of everyone. `cancelled`: names for whom it was cancelled meanwhile; None for all.
    """

    member: Member
    app: AppRow
    audience: list[str]
    paged: bool = False
    expired: bool = False
    resolved: bool = True
    parts: Iterator[Sequence[str]] | None = None
    scheduled: bool = False
    cancelled: frozenset[str] | None = frozenset()

    @property
    def to_all(self) -> bool:
        return self.member.everyone and self.member.local_at is None

    @property
    def nobody(self) -> bool:
        if self.scheduled or self.cancelled is None:
            return False
        return self.resolved and not self.paged and (self.expired or not (self.to_all or self.audience))

    @property
    def status(self) -> Status:
        if self.cancelled is None:
            return Status.CANCELLED
        if self.scheduled:
            return Status.SCHEDULED
        return Status.EXPIRED if self.expired else Status.SENT if self.nobody else Status.SENDING

    def parcel(self, users: Mapping[str, int]) -> Parcel:
        m = self.member
        terms = fates.terms(
            app=self.app,
            event=m.event,
            priority=m.priority,
            sent=m.send_at or m.accepted_at,
            collapse_key=m.collapse_key,
            local_at=m.local_at,
            cancelled=self.cancelled or frozenset(),
        )
        pairs = [(users[name], name) for name in self.audience]
        return Parcel(self.app, self.body(), pairs, self.expired, terms)

    def row(self, now_ms: int) -> NewNotification:
        m = self.member
        return NewNotification(
            id=m.id,
            app_id=self.app.id,
            event=m.event,
            data=m.data_json,
            priority=m.priority,
            everyone=self.to_all or (self.scheduled and m.everyone),
            recipients=len(self.audience),
            status=self.status,
            ttl=m.ttl,
            accepted_at=m.accepted_at,
            published_at=now_ms if self.nobody or self.cancelled is None else None,
            expires_at=m.expires_at,
            expired_at=now_ms if self.expired or self.cancelled is None else None,
            sender=m.sender,
            request_id=m.request_id,
            collapse_key=m.collapse_key,
            cancel_key=m.cancel_key,
            thread_key=m.thread_key,
            tags=m.tags_json,
        )

    def body(self) -> Body:
        m = self.member
        return framing.body(
            id=m.id,
            request_id=m.request_id,
            event=m.event,
            data=m.data_json,
            sent_at=m.send_at or m.accepted_at,
            expires_at=m.expires_at,
        )


def store_group(
    session: Session,
    members: Iterable[Member],
    *,
    now_ms: int,
    push_after_s: int,
    page_size: int = 1000,
    cancelled: Cancelled = _NONE,
) -> StoredGroup:
    """Store these members and give each delivery its number; what is stored already is read back.

    A member with more than `page_size` receivers becomes a row and pages, one whose time has not come a scheduled row.
    `cancelled`: by id, whom it was cancelled for before it was stored, None for all. Raises UnknownApp, RunAgain.
    """
    unique: dict[str, Member] = {}
    for member in members:
        unique.setdefault(member.id, member)
    result = StoredGroup()
    if not unique:
        return result
    bulk, frames = bulk_for(session), FrameSet()
    known = apps.by_name(session, {member.app for member in unique.values()})
    if retried := [member.id for member in unique.values() if member.retried]:
        cancelled = {**rescues.take_cancelled(session, retried), **cancelled}
    plans = [
        _plan(m, known[m.app], now_ms, page_size, cancelled.get(m.id, frozenset())) for m in unique.values()
    ]
    new = bulk.insert_notifications(session, [plan.row(now_ms) for plan in plans], stored_at=now_ms)
    new |= _again(session, bulk, [plan for plan in plans if plan.member.id not in new], now_ms)
    fresh = [plan for plan in plans if plan.member.id in new]
    for number, plan in enumerate(fresh):
        if not plan.resolved:
            fresh[number] = _resolved(session, plan, page_size)
    for plan in fresh:
        _note(session, plan, result, page_size, now_ms)
    scheduled.keep(session, [plan.member for plan in fresh if plan.scheduled], now_ms=now_ms)
    scheduled.restore(session, [plan.member for plan in fresh if not plan.scheduled])
    _deliver(session, bulk, fresh, frames, now_ms=now_ms, push_due_at=now_ms + push_after_s * 1000)
    cancellations.note(session, [plan.member.id for plan in fresh if plan.cancelled is None], now_ms=now_ms)
    result.already.extend(plan.member.id for plan in plans if plan.member.id not in new)
    if result.already:
        back = reading_back.read_back(session, result.already, frames)
        result.publish_ids.extend(back.ids)
        result.pages.extend(back.pages)
    result.frames.extend(frames.build())
    return result


def send_scheduled(
    session: Session, ids: Sequence[str], *, now_ms: int, push_after_s: int, page_size: int = 1000
) -> StoredGroup:
    """Send those of `ids` that are scheduled and due; what another run has sent is not read back. Raises RunAgain."""
    members = scheduled.take(session, ids, now_ms=now_ms)
    # The clock of whoever found them due may be ahead of this one.
    now_ms = max([now_ms, *(member.send_at or 0 for member in members)])
    return store_group(session, members, now_ms=now_ms, push_after_s=push_after_s, page_size=page_size)


def _plan(
    member: Member, app: AppRow, now_ms: int, page_size: int, cancelled: frozenset[str] | None
) -> _Plan:
    expired = member.expires_at <= now_ms
    if cancelled is None:
        return _Plan(member, app, recipients(member.users, member.exclude), cancelled=None)
    if not expired and member.send_at is not None and member.send_at > now_ms:
        # What is for everyone is not cancelled for some.
        some = cancelled if not member.everyone else frozenset()
        left = replace(member, exclude=(*member.exclude, *some)) if some else member
        return _Plan(left, app, recipients(left.users, left.exclude), scheduled=True)
    if audiences.is_dynamic(member):
        return _Plan(member, app, [], expired=expired, resolved=False, cancelled=cancelled)
    audience = [] if member.everyone else recipients(member.users, member.exclude)
    if len(audience) > page_size:
        # Of a big audience they have no row: nothing but the page would say whose it was.
        return _Plan(member, app, _less(member, cancelled), paged=True, expired=expired)
    return _Plan(member, app, audience, expired=expired, cancelled=cancelled)


def _less(member: Member, cancelled: frozenset[str]) -> list[str]:
    return recipients(member.users, (*member.exclude, *cancelled))


def _resolved(session: Session, plan: _Plan, page_size: int) -> _Plan:
    """Look up who its audience is beyond names. Once for each notification: a later run takes what this one wrote,
    whoever came meanwhile. Of a big audience only the next pages are in memory."""
    member, app_id = plan.member, plan.app.id
    if plan.to_all:
        found = audiences.names(session, app_id, audiences.left_out(member), chunk=page_size)
        out = (*member.exclude, *chain.from_iterable(found))
        return replace(plan, member=replace(member, exclude=out), resolved=True)
    wanted = audiences.of(member)
    parts = repaged(audiences.names(session, app_id, wanted, chunk=page_size), page_size)
    first, second = next(parts, ()), next(parts, None)
    if second is None:
        return replace(plan, audience=list(first), resolved=True)
    every, gone = chain((first, second), parts), plan.cancelled or frozenset()
    if gone:
        # Paged anew: a page from which all were taken would have nobody to store.
        every = chain(repaged(([name for name in part if name not in gone] for part in every), page_size))
    return replace(plan, paged=True, parts=every, resolved=True)


def _again(session: Session, bulk: Bulk, known: Sequence[_Plan], now_ms: int) -> set[str]:
    """Store anew what had failed and was asked for again; the ids."""
    retried = [plan.member.id for plan in known if plan.member.retried]
    if not retried:
        return set()
    for id in sorted(retried):
        # An api of the version before sends these through the journal too.
        page_failures.put_back(session, id, now_ms=now_ms)
    failures = rescues.take_failed(session, retried)
    rows = [plan.row(now_ms) for plan in known if plan.member.id in failures]
    new = bulk.insert_notifications(session, rows, stored_at=now_ms) if rows else set()
    rescues.remember_failures(session, failures)
    return new


def _note(session: Session, plan: _Plan, result: StoredGroup, page_size: int, now_ms: int) -> None:
    """Say what is left to do with a new notification."""
    id, priority = plan.member.id, plan.member.priority
    result.stored_ids.append(id)
    receivers = len(plan.audience)
    if plan.scheduled or plan.cancelled is None:
        return
    if plan.paged:
        parts = plan.parts or pages(plan.audience, page_size)
        written = insert_pages(session, id, parts, now_ms=now_ms)
        result.pages.extend(PageRef(id, number, priority) for number in range(written.pages))
        receivers = written.names
    elif not plan.nobody:
        result.publish_ids.append(id)
    if audiences.is_dynamic(plan.member):
        _complete(session, plan, receivers, now_ms)


def _complete(session: Session, plan: _Plan, receivers: int, now_ms: int) -> None:
    """Complete a row that was inserted before its audience was looked up."""
    told = audiences.told(plan.member, audiences.missing_segments(session, plan.app.id, plan.member))
    values: dict[str, object] = {"recipients": receivers, "audience": told}
    if plan.nobody:
        values |= {"status": plan.row(now_ms).status, "published_at": to_datetime(now_ms)}
    session.execute(update(t.notifications).where(t.notifications.c.id == plan.member.id).values(values))


def _deliver(
    session: Session, bulk: Bulk, fresh: Sequence[_Plan], frames: FrameSet, *, now_ms: int, push_due_at: int
) -> None:
    """Number and insert what is new and goes now: first what goes to everyone, then the users' own."""
    to_all: dict[int, list[_Plan]] = defaultdict(list)
    wanted: dict[int, dict[str, None]] = defaultdict(dict)
    now = [plan for plan in fresh if not plan.scheduled and plan.cancelled is not None]
    direct = [plan for plan in now if plan.audience and not plan.paged]
    for plan in now:
        if plan.to_all and not plan.expired:
            to_all[plan.app.id].append(plan)
            # An excluded name may belong to somebody who connects for the first time tomorrow.
            wanted[plan.app.id].update(dict.fromkeys(plan.member.exclude))
    for plan in direct:
        wanted[plan.app.id].update(dict.fromkeys(plan.audience))
    locked = apps.lock(session, to_all) if to_all else {}
    users = {app: names.resolve(session, bulk, app, wanted[app], now_ms=now_ms) for app in sorted(wanted)}
    for app_id, plans in sorted(to_all.items()):
        new = [broadcasts.New(plan.body(), plan.member.exclude, plan.member.collapse_key) for plan in plans]
        broadcasts.number(session, locked[app_id], new, users[app_id], frames, now_ms=now_ms)
    parcels = [plan.parcel(users[plan.app.id]) for plan in direct]
    deliver(session, bulk, parcels, frames, now_ms=now_ms, push_due_at=push_due_at)
