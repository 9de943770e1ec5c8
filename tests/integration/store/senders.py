"""A process that sends what is due and releases what is held, as the jobs `send` and `release` do, until nothing is."""

import signal
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import event

from shared.db import Database
from shared.store import releases, scheduled
from shared.store.groups import send_scheduled

AT_ONCE = 7


def work(url: str, now: int, parent: Connection, stop: str | None) -> None:
    """Tell the parent what each transaction sent and released. `stop`: before the third statement with this word in
    it, say so and wait to be killed, with all locks held."""
    db, seen = Database(url), 0

    def before_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        nonlocal seen
        seen += stop is not None and stop in statement
        if stop is not None and seen >= 3:
            parent.send("stopped")
            signal.pause()

    event.listen(db.engine, "before_cursor_execute", before_statement)
    while True:
        ids = [one.id for one in db.run(lambda session: scheduled.claim(session, now, limit=AT_ONCE))]
        send = partial(send_scheduled, ids=ids, now_ms=now, push_after_s=30)
        parent.send((db.run(send).stored_ids, []))
        released = db.run(
            lambda session: releases.release_due(session, now_ms=now, push_after_s=30, limit=AT_ONCE)
        )
        parent.send(([], [tuple(pair) for pair in released.pairs]))
        if not ids and not released.more and not released.pairs:
            break
    db.close()
    parent.send("done")
