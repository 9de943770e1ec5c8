"""schedules: keep, find, list and change. When one fires is shared.store.schedule_runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.schedules import CatchUp, Timing, whole_second
from shared.models import tables as t
from shared.protocol import firing
from shared.store import apps

_S, _R = t.schedules.c, t.schedule_runs.c


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A schedule as it is stored; see shared.models.schedule."""

    id: str
    app_id: int
    name: str | None
    cron: str | None
    every: int | None
    timezone: str
    start_at: datetime | None
    end_at: datetime | None
    catch_up: str
    notification: str
    entry: str
    sender: str
    next_at: datetime | None
    skip_at: datetime | None
    paused_at: datetime | None
    created_at: datetime
    updated_at: datetime
    request_key: str | None
    request_print: str | None

    @property
    def timing(self) -> Timing:
        """When it fires."""
        created = whole_second(to_ms(self.created_at))
        return timing_of(self, created_ms=created)

    @property
    def due_at(self) -> int | None:
        """`next_at` in epoch milliseconds."""
        return None if self.next_at is None else to_ms(self.next_at)

    @property
    def left_out(self) -> int | None:
        """`skip_at` in epoch milliseconds."""
        return None if self.skip_at is None else to_ms(self.skip_at)

    @property
    def catching_up(self) -> CatchUp:
        """What becomes of what it missed."""
        return CatchUp(self.catch_up)


_COLUMNS = tuple(t.schedules.c[name] for name in ScheduleRow.__dataclass_fields__)


def timing_of(row: ScheduleRow, *, created_ms: int) -> Timing:
    """The timing in a row; without a start, `every` counts from the second in which it was created."""
    start = None if row.start_at is None else to_ms(row.start_at)
    return Timing(
        cron=row.cron,
        every=row.every,
        timezone=row.timezone,
        anchor=created_ms if start is None else start,
        start=start,
        end=None if row.end_at is None else to_ms(row.end_at),
    )


def add(session: Session, values: Mapping[str, Any]) -> None:
    """Store a schedule. Raises sqlalchemy.exc.IntegrityError if its id or its request key is taken."""
    session.execute(insert(t.schedules).values(**values))


def find(session: Session, app_id: int, id: str, *, lock: bool = False) -> ScheduleRow | None:
    """A schedule of this app. `lock`: nobody else changes or fires it until the end of the transaction."""
    statement = select(*_COLUMNS).where(_S.app_id == app_id, _S.id == id)
    row = session.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else row_of(row)


def made_by(session: Session, app_id: int, request_key: str) -> ScheduleRow | None:
    """The schedule that the request with this key has made."""
    statement = select(*_COLUMNS).where(_S.app_id == app_id, _S.request_key == request_key)
    row = session.execute(statement).first()
    return None if row is None else row_of(row)


def page(session: Session, app_id: int, *, after: str | None = None, limit: int = 100) -> list[ScheduleRow]:
    """The schedules of an app, the oldest first, those after the id `after`."""
    statement = select(*_COLUMNS).where(_S.app_id == app_id).order_by(_S.id).limit(limit)
    if after is not None:
        statement = statement.where(_S.id > after)
    return [row_of(row) for row in session.execute(statement)]


def room(session: Session, app_id: int, *, most: int) -> bool:
    """Whether an app has fewer than `most` schedules; under the lock of the app, so that it stays true."""
    apps.lock(session, [app_id])
    found = session.scalar(select(func.count()).select_from(t.schedules).where(_S.app_id == app_id))
    return (found or 0) < most


def change(session: Session, id: str, values: Mapping[str, Any], *, now_ms: int) -> None:
    """Change columns of a schedule that is locked."""
    session.execute(update(t.schedules).where(_S.id == id).values(**values, updated_at=to_datetime(now_ms)))


def remove(session: Session, app_id: int, id: str) -> bool:
    """Delete a schedule, and the runs of which nothing was sent yet; False if there is none of that id."""
    mine = (_S.app_id == app_id) & (_S.id == id)
    found = session.execute(delete(t.schedules).where(mine)).rowcount  # type: ignore[attr-defined]
    if found:
        waiting = (_R.schedule_id == id) & _R.entered_at.is_(None)
        session.execute(delete(t.schedule_runs).where(waiting))
    return bool(found)


def row_of(row: Any) -> ScheduleRow:
    """A database row with the columns of a schedule."""
    return ScheduleRow(**row._mapping)  # noqa: SLF001  # that is SQLAlchemy's public name for it


def columns() -> tuple[Any, ...]:
    """The columns that `row_of` takes."""
    return _COLUMNS


def forget(session: Session, app_id: int, name: str) -> None:
    """Take a name out of whom this app's schedules are for, and not for; at most 1,000 are looked at."""
    quoted = orjson.dumps(name).decode()
    # Any character of a name may mean something in a LIKE pattern; what it finds too much is left as it is.
    like = (_S.app_id == app_id) & _S.entry.contains(quoted, autoescape=True)
    # Found first and locked by their keys: a search that locks would, on MariaDB, wait for whatever it passes.
    ids = sorted(session.scalars(select(_S.id).where(like)))
    wanted = (
        select(_S.id, _S.entry, _S.notification).where(_S.id.in_(ids), like).order_by(_S.id).with_for_update()
    )
    for id, entry, notification in session.execute(wanted).all():
        values = {"entry": firing.without(entry, name), "notification": _without(notification, name)}
        session.execute(update(t.schedules).where(_S.id == id).values(values))


def _without(notification: str, name: str) -> str:
    asked = orjson.loads(notification)
    to = asked.get("to", {})
    for names in (to, to.get("exclude", {})):
        if "users" in names:
            names["users"] = [one for one in names["users"] if one != name]
    if to.get("exclude_actor") == name:
        del to["exclude_actor"]
    return orjson.dumps(asked).decode()
