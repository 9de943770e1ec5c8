"""Deliveries that do not go at once: what the row says of it."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import State
from shared.domain.fate import Fate
from shared.models import tables as t
from shared.store.rows import chunks

_D = t.deliveries.c

Decided = Mapping[str, Mapping[int, Fate]]
"""For a notification's id: the fates of those users of whom it does not simply go."""


def note(session: Session, decided: Decided) -> None:
    """Write into rows that do not go now what becomes of them; those that are alike together."""
    alike: dict[tuple[str, Fate], list[int]] = defaultdict(list)
    for id, of_users in decided.items():
        for user_id, fate in of_users.items():
            if fate.state is not State.PENDING:
                alike[id, fate].append(user_id)
    for (id, fate), user_ids in alike.items():
        until = None if fate.held_until is None else to_datetime(fate.held_until)
        values = {"state": fate.state, "reason": fate.reason, "held_until": until}
        for part in chunks(sorted(user_ids)):
            rows = (_D.notification_id == id) & _D.user_id.in_(part)
            session.execute(update(t.deliveries).where(rows).values(values))
