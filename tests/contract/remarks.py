"""What the rest of the system does between two examples of a page."""

from sqlalchemy import select, update

from shared.clock import SystemClock, to_datetime
from shared.models import tables as t
from shared.store.expiry import expire_due
from shared.store.publishing import mark_published
from shared.store.receipts import apply_acks
from tests.integration.api.support import Api

_A_WHILE_MS = 5000


def publish_all(api: Api) -> None:
    """Everything that is stored is published."""
    now = SystemClock().now_ms()

    def publish(session) -> None:
        waiting = select(t.notifications.c.id).where(t.notifications.c.published_at.is_(None))
        mark_published(session, list(session.scalars(waiting)), now)

    api.database.run(publish)


def acknowledge(api: Api) -> None:
    """One of the users has a client that shows what came."""
    now = SystemClock().now_ms()
    api.database.run(lambda session: apply_acks(session, [("main", "ana", 1, 0)], now))


def hold_and_skip(api: Api) -> None:
    """Of the newest notification: what caps and hours would do."""
    d, u, n = t.deliveries.c, t.users.c, t.notifications.c
    until = to_datetime(SystemClock().now_ms() + 3_600_000)
    decided = {
        "bob": {"state": "held", "reason": "local_time", "held_until": until, "seq": None},
        "cy": {"state": "skipped", "reason": "frequency_cap:likes", "seq": None},
    }

    def change(session) -> None:
        newest = session.scalar(select(n.id).order_by(n.id.desc()).limit(1))
        for name, values in decided.items():
            user = session.scalar(select(u.id).where(u.name == name))
            of_user = (d.notification_id == newest) & (d.user_id == user)
            session.execute(update(t.deliveries).where(of_user).values(values))

    api.database.run(change)


def expire_short_ones(api: Api) -> None:
    """A few seconds go by."""
    later = SystemClock().now_ms() + _A_WHILE_MS
    api.database.run(lambda session: expire_due(session, later))
