"""apps: find them, make them, number what goes to everyone."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain import caps
from shared.domain.caps import Cap
from shared.models import tables as t

COLUMNS = (t.apps.c.id, t.apps.c.name, t.apps.c.epoch, t.apps.c.all_seq, t.apps.c.caps)


class UnknownApp(LookupError):
    """No app of that name; nothing can be stored for it."""


class AppRow(NamedTuple):
    """A row of apps; `all_seq` is the top of the stream of everyone, `caps` how often a user may get something."""

    id: int
    name: str
    epoch: str
    all_seq: int
    caps: tuple[Cap, ...] = ()


def get(session: Session, name: str) -> AppRow | None:
    """The app of that name."""
    row = session.execute(select(*COLUMNS).where(t.apps.c.name == name)).first()
    return of_row(row) if row else None


def require(session: Session, name: str) -> AppRow:
    """The app of that name. Raises UnknownApp."""
    found = get(session, name)
    if found is None:
        raise UnknownApp(name)
    return found


def by_name(session: Session, names: Collection[str]) -> dict[str, AppRow]:
    """The apps of those names. Raises UnknownApp if one is missing."""
    if len(names) == 1:
        # The usual case, and IN takes SQLAlchemy 0.2 ms longer.
        [name] = names
        return {name: require(session, name)}
    rows = session.execute(select(*COLUMNS).where(t.apps.c.name.in_(sorted(names))))
    found = {row.name: row for row in map(of_row, rows)}
    missing = sorted(set(names) - set(found))
    if missing:
        raise UnknownApp(", ".join(missing))
    return found


def by_id(session: Session, ids: Collection[int]) -> dict[int, AppRow]:
    """The apps with those ids."""
    rows = session.execute(select(*COLUMNS).where(t.apps.c.id.in_(sorted(ids))))
    return {row.id: row for row in map(of_row, rows)}


def list_all(session: Session) -> list[AppRow]:
    """Every app, by name."""
    return [of_row(row) for row in session.execute(select(*COLUMNS).order_by(t.apps.c.name))]


def create(session: Session, name: str, *, epoch: str, now_ms: int) -> AppRow:
    """Make an app. Raises sqlalchemy.exc.IntegrityError if there is one of that name."""
    row = {"name": name, "epoch": epoch, "all_seq": 0, "created_at": to_datetime(now_ms)}
    session.execute(insert(t.apps).values(row))
    return require(session, name)


def lock(session: Session, ids: Collection[int]) -> dict[int, AppRow]:
    """Lock apps in the order of their ids: whoever holds the lock gives the next numbers of `all`."""
    statement = select(*COLUMNS).where(t.apps.c.id.in_(sorted(ids))).order_by(t.apps.c.id)
    # NO KEY on PostgreSQL: users that are being inserted refer to the app and need not wait.
    rows = session.execute(statement.with_for_update(key_share=True))
    return {row.id: row for row in map(of_row, rows)}


def advance(session: Session, id: int, all_seq: int) -> None:
    """Move the top of the stream of everyone of a locked app."""
    session.execute(update(t.apps).where(t.apps.c.id == id).values(all_seq=all_seq))


def put_caps(session: Session, id: int, new: Sequence[Cap]) -> None:
    """Replace the caps of a locked app."""
    session.execute(update(t.apps).where(t.apps.c.id == id).values(caps=caps.dump(new)))


def of_row(row: Sequence[Any]) -> AppRow:
    """The app whose COLUMNS were read along with something else."""
    id, name, epoch, all_seq, text = row
    return AppRow(id, name, epoch, all_seq, caps.parse(text) if text else ())
