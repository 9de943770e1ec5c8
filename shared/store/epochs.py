"""The epoch of an app: the identity of its streams.

It changes when numbers that clients have seen may be given again (a database restored from a backup); then no client
may compare an old position with a new number.
"""

import secrets

from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.store import apps


def bump_epoch(session: Session, app: str) -> str | None:
    """Give the app a new epoch and return it; None if there is no such app."""
    epoch = secrets.token_hex(8)
    changed = session.execute(update(t.apps).where(t.apps.c.name == app).values(epoch=epoch))
    return epoch if changed.rowcount else None  # type: ignore[attr-defined]


def bump_all(session: Session) -> dict[str, str]:
    """Give every app a new epoch: after a restore, the numbers of all of them may be given again. Epochs by app."""
    rows = apps.list_all(session)
    apps.lock(session, [row.id for row in rows])
    return {row.name: epoch for row in rows if (epoch := bump_epoch(session, row.name)) is not None}
