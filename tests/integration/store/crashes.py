"""Death at every step: a transaction is cut before its n-th statement, as by the end of its process, and run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import event

from shared.db import Database

T = TypeVar("T")
STATEMENTS_MAX = 60


class Died(Exception):
    """The process is gone."""


@contextmanager
def dying_before(db: Database, number: int) -> Iterator[None]:
    """Die before statement `number` (from 0) on any connection; before the commit counts as the last."""
    left = number

    def count(*_: Any) -> None:
        nonlocal left
        if left == 0:
            raise Died
        left -= 1

    event.listen(db.engine, "before_cursor_execute", count)
    event.listen(db.engine, "commit", count)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
        event.remove(db.engine, "commit", count)


def dying_everywhere(db: Database, work: Callable[[], T]) -> T:
    """Run `work` again and again, dying one step later each time, until it gets through; what it returned then."""
    for number in range(STATEMENTS_MAX):
        try:
            with dying_before(db, number):
                return work()
        except Died:
            continue
    raise AssertionError(f"more than {STATEMENTS_MAX} statements")
