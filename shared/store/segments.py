"""segments: keep, list and read saved rules, and whom a rule holds just now."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.segment_rules import parse
from shared.domain.segments import Rule
from shared.models import tables as t
from shared.store.segment_sql import condition

_S, _U = t.segments.c, t.users.c


class SegmentRow(NamedTuple):
    """A saved rule; `rule` is JSON text."""

    name: str
    rule: str
    created_at: datetime
    updated_at: datetime


_ROW = select(_S.name, _S.rule, _S.created_at, _S.updated_at)


def put(session: Session, app_id: int, name: str, rule: str, *, now_ms: int) -> tuple[SegmentRow, bool]:
    """Make a segment or replace its rule, JSON text that was checked; also whether it is new.

    Of two that make the same one at once, one runs again (shared.db).
    """
    mine, now = (_S.app_id == app_id) & (_S.name == name), to_datetime(now_ms)
    new = get(session, app_id, name) is None
    if new:
        row = {"app_id": app_id, "name": name, "rule": rule, "created_at": now, "updated_at": now}
        session.execute(insert(t.segments).values(row))
    else:
        session.execute(update(t.segments).where(mine).values(rule=rule, updated_at=now))
    return SegmentRow(*session.execute(_ROW.where(mine)).one()), new


def get(session: Session, app_id: int, name: str) -> SegmentRow | None:
    """The segment of that name."""
    row = session.execute(_ROW.where(_S.app_id == app_id, _S.name == name)).first()
    return SegmentRow(*row) if row else None


def remove(session: Session, app_id: int, name: str) -> bool:
    """Delete a segment; False if there is none."""
    gone = session.execute(delete(t.segments).where(_S.app_id == app_id, _S.name == name))
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def page(session: Session, app_id: int, *, after: str | None = None, limit: int = 100) -> list[SegmentRow]:
    """The segments above the name `after`, by the bytes of their names."""
    statement = _ROW.where(_S.app_id == app_id).order_by(_S.name).limit(limit)
    if after is not None:
        statement = statement.where(_S.name > after)
    return [SegmentRow(*row) for row in session.execute(statement)]


def rules(session: Session, app_id: int, names: Iterable[str]) -> dict[str, Rule]:
    """The rules of those of these segments that exist. Raises BadRule for one that a newer version wrote."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    rows = session.execute(select(_S.name, _S.rule).where(_S.app_id == app_id, _S.name.in_(wanted)))
    return {name: parse(orjson.loads(rule)) for name, rule in rows}


def missing(session: Session, app_id: int, names: Collection[str]) -> list[str]:
    """Those of these segments that do not exist, in their order, each once."""
    if not names:
        return []
    wanted = list(dict.fromkeys(names))
    known = set(session.scalars(select(_S.name).where(_S.app_id == app_id, _S.name.in_(wanted))))
    return [name for name in wanted if name not in known]


def count(session: Session, app_id: int, rule: Rule) -> int:
    """How many users a rule holds."""
    mine = (_U.app_id == app_id) & _U.name.is_not(None) & condition(session, rule)
    return session.scalar(select(func.count()).select_from(t.users).where(mine)) or 0


def sample(session: Session, app_id: int, rule: Rule, *, limit: int) -> list[str]:
    """Names of the first `limit` of them, the longest known first."""
    mine = (_U.app_id == app_id) & _U.name.is_not(None) & condition(session, rule)
    names = session.scalars(select(_U.name).where(mine).order_by(_U.id).limit(limit))
    return [name for name in names if name is not None]
