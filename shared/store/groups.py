"""Hop 5 of 9: write a group of accepted notifications down, in one transaction.

Lock order: notification, `all`, then users sorted. A number is given under the lock of its stream and in the
transaction that writes the row, so numbers are gap-free and come into sight in their order. What exists already is
left as it is: a second run of the same group changes nothing and makes the same frames.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.audience import pages, repaged
from shared.models import tables as t
from shared.store import (
    apps,
    audiences,
    broadcasts,
    cancellations,
    names,
    page_failures,
    reading_back,
    rescues,
    scheduled,
)
from shared.store.allocation import deliver
from shared.store.bulk import Bulk, bulk_for
from shared.store.framing import FrameSet
from shared.store.pages import insert_pages
from shared.store.plans import NONE, Cancelled, Plan, make_plans
from shared.store.rows import Member, PageRef, StoredGroup


def store_group(
    session: Session,
    members: Iterable[Member],
    *,
    now_ms: int,
    push_after_s: int,
    page_size: int = 1000,
    cancelled: Cancelled = NONE,
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
    plans = make_plans(session, list(unique.values()), now_ms, page_size, cancelled)
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


def _resolved(session: Session, plan: Plan, page_size: int) -> Plan:
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


def _again(session: Session, bulk: Bulk, known: Sequence[Plan], now_ms: int) -> set[str]:
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


def _note(session: Session, plan: Plan, result: StoredGroup, page_size: int, now_ms: int) -> None:
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


def _complete(session: Session, plan: Plan, receivers: int, now_ms: int) -> None:
    """Complete a row that was inserted before its audience was looked up."""
    told = audiences.told(plan.member, audiences.missing_segments(session, plan.app.id, plan.member))
    values: dict[str, object] = {"recipients": receivers, "audience": told}
    if plan.nobody:
        values |= {"status": plan.row(now_ms).status, "published_at": to_datetime(now_ms)}
    session.execute(update(t.notifications).where(t.notifications.c.id == plan.member.id).values(values))


def _deliver(
    session: Session, bulk: Bulk, fresh: Sequence[Plan], frames: FrameSet, *, now_ms: int, push_due_at: int
) -> None:
    """Number and insert what is new and goes now: first what goes to everyone, then the users' own."""
    to_all: dict[int, list[Plan]] = defaultdict(list)
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
