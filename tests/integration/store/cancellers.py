"""Processes that send, cancel and acknowledge the same notifications at the same time, as workers and the api do."""

import random
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection

from sqlalchemy.orm import Session

from shared.db import Database
from shared.services import inbox
from shared.services.inbox import Filter
from shared.store import apps, cancellations, pages, publishing, retractions
from shared.store.cancellations import Numbers
from shared.store.receipts import apply_acks
from shared.store.rows import Member
from tests.integration.store.support import NOW, store

PAGE_SIZE = 3
WAIT_S = 30

Wanted = tuple[str, tuple[str, ...]]
"""A notification, and for whom it is cancelled; nobody named: for all."""


def send(url: str, groups: Sequence[Sequence[Member]], parent: Connection) -> None:
    """Store and publish group after group; what is found cancelled when it is to be marked is marked as such."""
    db = Database(url)
    for group in groups:
        stored = store(db, *group, page_size=PAGE_SIZE)
        db.run(partial(publishing.mark_published, ids=stored.publish_ids, now_ms=NOW))
        with db.session() as session:
            late = retractions.late(session, stored.publish_ids)
        db.run(partial(publishing.mark_late, ids=late, now_ms=NOW))
        for page in stored.pages:
            _page(db, page.notification_id, page.number)
    db.close()
    parent.send([])


def cancel(url: str, wanted: Sequence[Wanted], parent: Connection) -> None:
    """Cancel each as soon as it is stored; says what the calls have counted."""
    db = Database(url)
    counted: list[tuple[str, int]] = []
    for id, users in wanted:
        deadline = time.monotonic() + WAIT_S
        while (found := db.run(partial(_cancel, id=id, users=users))) is None:
            assert time.monotonic() < deadline, "it is never stored"
        counted.append((id, found.cancelled + found.already_sent))
        after = 0
        while not users and (
            taken := db.run(partial(retractions.step, id=id, after=after, now_ms=NOW + 1, limit=2))
        ):
            after = taken.after or after
    db.close()
    parent.send(counted)


def receive(url: str, users: Sequence[str], seed: int, parent: Connection) -> None:
    """Acknowledge and mark at random until the parent says that it is enough."""
    db, dice = Database(url), random.Random(seed)
    while not parent.poll():
        user = dice.choice(users)
        db.run(partial(apply_acks, acks=[("main", user, dice.randint(1, 60), 0)], now_ms=NOW))
        action = dice.choice(["seen", "read", "archive", "unread", "unarchive"])
        state = dice.choice([None, "unread", "archived"])
        db.run(
            partial(inbox.mark, app="main", user=user, action=action, what=Filter(state=state), now_ms=NOW)
        )
    db.close()
    parent.send([])


def _page(db: Database, id: str, number: int) -> None:
    db.run(partial(pages.store_page, notification_id=id, number=number, now_ms=NOW, push_after_s=30))
    try:
        db.run(partial(pages.mark_pages_published, notification_id=id, numbers=[number], now_ms=NOW))
    except pages.Cancelled:
        db.run(partial(pages.end_pages, notification_id=id, numbers=[number], now_ms=NOW))


def _cancel(session: Session, id: str, users: tuple[str, ...]) -> Numbers | None:
    app = apps.require(session, "main")
    if users:
        return cancellations.cancel_for(session, app, id, users, now_ms=NOW + 1)
    return cancellations.cancel(session, app.id, id, now_ms=NOW + 1)
