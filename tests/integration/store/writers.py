"""A process that stores groups as a worker does, and may be made to stop dead in the middle of a transaction."""

import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import event

from shared.db import Database
from shared.store.rows import Member
from tests.integration.store.support import store_and_publish

COMMIT = "commit"
PAGE_SIZE = 2
"""So small that many members become pages."""


def write(
    url: str, groups: Sequence[Sequence[Member]], parent: Connection, stop: tuple[int, str] | None
) -> None:
    """Store the groups one after the other, telling the parent after each.

    `stop` = (number, word): from that group on, before the first statement with the word in it (or the commit), say so
    and wait to be killed, with all locks held.
    """
    db = Database(url)
    armed = False

    def wait_for_death(_: Any) -> None:
        if armed:
            parent.send("stopped")
            signal.pause()

    def before_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        if stop is not None and stop[1] in statement:
            wait_for_death(None)

    if stop is not None and stop[1] == COMMIT:
        event.listen(db.engine, "commit", wait_for_death)
    elif stop is not None:
        event.listen(db.engine, "before_cursor_execute", before_statement)
    for number, group in enumerate(groups):
        armed = stop is not None and number >= stop[0]
        store_and_publish(db, *group, page_size=PAGE_SIZE)
        parent.send(number)
    db.close()
    parent.send("done")
