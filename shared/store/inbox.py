"""The inbox of one user: the own stream and the stream of everyone, merged newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t
from shared.store import counts
from shared.store.apps import AppRow
from shared.store.marks import in_state, own_items

_N, _D = t.notifications.c, t.deliveries.c
_SENT = func.coalesce(_D.released_at, _N.send_at, _N.accepted_at)
_COLUMNS = (_N.event, _N.data, _SENT, _D.seen_at, _D.read_at, _D.archived_at, _N.expires_at, _N.sender)


@dataclass(frozen=True, slots=True)
class Query:
    """What of an inbox. Positions are exclusive upper bounds. `changed_since` is a rev: then items in
    every state, archived ones too, that a later change touched."""

    me_before: int
    all_before: int
    limit: int
    state: str | None = None
    event: str | None = None
    changed_since: int | None = None


class Item(NamedTuple):
    """One item; `data` is JSON text, `sender` as in the row."""

    id: str
    stream: str
    seq: int
    event: str
    data: str
    sent_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None
    expires_at: datetime
    sender: str


@dataclass(frozen=True, slots=True)
class Part:
    """A page of an inbox; `me` and `all` are where the next one begins. Not `more`: there is none."""

    items: list[Item]
    me: int
    all: int
    more: bool


def read(session: Session, app: AppRow, user_id: int | None, query: Query, *, now_ms: int) -> Part:
    """A page of the inbox of a user; None is a user that the database does not know."""
    now = to_datetime(now_ms)
    own = [] if user_id is None else _own(session, app, user_id, query)
    everyones = _everyones(session, app, user_id, query, now)
    merged: list[Item] = []
    while (own or everyones) and len(merged) < query.limit:
        newest_is_own = own and (not everyones or own[0].sent_at >= everyones[0].sent_at)
        merged.append((own if newest_is_own else everyones).pop(0))
    positions = {item.stream: item.seq for item in merged}
    me, all = positions.get("me", query.me_before), positions.get("all", query.all_before)
    return Part(merged, me, all, more=bool(own or everyones))


def _own(session: Session, app: AppRow, user_id: int, query: Query) -> list[Item]:
    statement = (
        select(_N.id, _D.seq, *_COLUMNS)
        .join(t.notifications, _N.id == _D.notification_id)
        .where(own_items(app.id, user_id))
    )
    statement = _narrowed(statement.where(_D.seq < query.me_before), query).order_by(_D.seq.desc())
    return [_item("me", row) for row in session.execute(statement)]


def _everyones(session: Session, app: AppRow, user_id: int | None, query: Query, now: datetime) -> list[Item]:
    mine = and_(_D.notification_id == _N.id, _D.user_id == (user_id or 0))
    statement = (
        select(_N.id, _N.all_seq, *_COLUMNS)
        .outerjoin(t.deliveries, mine)
        .where(counts.visible_to_all(app.id, user_id, now))
    )
    statement = _narrowed(statement.where(_N.all_seq < query.all_before), query).order_by(_N.all_seq.desc())
    return [_item("all", row) for row in session.execute(statement)]


def _narrowed(statement: Select[*tuple[Any, ...]], query: Query) -> Select[*tuple[Any, ...]]:
    if query.changed_since is not None:
        statement = statement.where(_D.rev > query.changed_since)
    if query.state is not None or query.changed_since is None:
        statement = statement.where(in_state(query.state))
    if query.event is not None:
        statement = statement.where(_N.event == query.event)
    return statement.limit(query.limit + 1)


def _item(stream: str, row: Row[*tuple[Any, ...]]) -> Item:
    id, seq, *rest = row
    return Item(id, stream, seq, *rest)
