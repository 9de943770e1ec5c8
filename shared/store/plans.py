"""What is decided about each member of a group before it is written: now or later, to whom, how many pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from shared.domain.audience import recipients
from shared.domain.notification import Status
from shared.protocol.envelope import Body
from shared.store import apps, audiences, fates, framing, rescues
from shared.store.allocation import Parcel
from shared.store.apps import AppRow
from shared.store.rows import Member, NewNotification

Cancelled = Mapping[str, frozenset[str] | None]
"""By a notification's id for whom it was cancelled before it was stored, by name; None: for all."""
NONE: Final[Cancelled] = {}


@dataclass(frozen=True, slots=True)
class Plan:
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
        """Whether it takes a place on the stream of everyone."""
        return self.member.everyone and self.member.local_at is None

    @property
    def nobody(self) -> bool:
        """Whether no frame will ever be made of it."""
        if self.scheduled or self.cancelled is None:
            return False
        return self.resolved and not self.paged and (self.expired or not (self.to_all or self.audience))

    @property
    def status(self) -> Status:
        """What its row begins with."""
        if self.cancelled is None:
            return Status.CANCELLED
        if self.scheduled:
            return Status.SCHEDULED
        return Status.EXPIRED if self.expired else Status.SENT if self.nobody else Status.SENDING

    def parcel(self, users: Mapping[str, int]) -> Parcel:
        """It for its audience, whose ids are known by now."""
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
        """Its row of notifications."""
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
        """What its receivers share."""
        m = self.member
        return framing.body(
            id=m.id,
            request_id=m.request_id,
            event=m.event,
            data=m.data_json,
            sent_at=m.send_at or m.accepted_at,
            expires_at=m.expires_at,
            sender=m.sender,
        )


def make_plans(
    session: Session, members: Sequence[Member], now_ms: int, page_size: int, cancelled: Cancelled
) -> list[Plan]:
    """A plan for each member. Raises UnknownApp."""
    known = apps.by_name(session, {member.app for member in members})
    if retried := [member.id for member in members if member.retried]:
        cancelled = {**rescues.take_cancelled(session, retried), **cancelled}
    return [_plan(m, known[m.app], now_ms, page_size, cancelled.get(m.id, frozenset())) for m in members]


def _plan(member: Member, app: AppRow, now_ms: int, page_size: int, cancelled: frozenset[str] | None) -> Plan:
    expired = member.expires_at <= now_ms
    if cancelled is None:
        return Plan(member, app, recipients(member.users, member.exclude), cancelled=None)
    if not expired and member.send_at is not None and member.send_at > now_ms:
        # What is for everyone is not cancelled for some.
        some = cancelled if not member.everyone else frozenset()
        left = replace(member, exclude=(*member.exclude, *some)) if some else member
        return Plan(left, app, recipients(left.users, left.exclude), scheduled=True)
    if audiences.is_dynamic(member):
        return Plan(member, app, [], expired=expired, resolved=False, cancelled=cancelled)
    audience = [] if member.everyone else recipients(member.users, member.exclude)
    if len(audience) > page_size:
        # Of a big audience they have no row: nothing but the page would say whose it was.
        return Plan(member, app, _less(member, cancelled), paged=True, expired=expired)
    return Plan(member, app, audience, expired=expired, cancelled=cancelled)


def _less(member: Member, cancelled: frozenset[str]) -> list[str]:
    return recipients(member.users, (*member.exclude, *cancelled))
