"""The few statements that touch many rows, and the choice of who speaks them.

PostgreSQL takes a whole group as arrays, one round trip a statement; the others take many rows at once. Everything
else in the store is portable.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Row
from sqlalchemy.orm import Session

from shared.store.bulk_generic import GenericBulk
from shared.store.bulk_postgres import PostgresBulk
from shared.store.rows import AckedRange, NewDelivery, NewNotification, RaisedAck, StreamRow


class Bulk(Protocol):
    """Statements on many rows. Lists of ids come sorted, so that two transactions lock in the same order."""

    def insert_notifications(
        self, session: Session, rows: Sequence[NewNotification], *, stored_at: int
    ) -> set[str]:
        """Insert the rows whose id is new; their ids."""

    def mark_published(self, session: Session, ids: Sequence[str], *, now_ms: int) -> int:
        """Set published_at where it is missing and nothing was cancelled; how many rows."""

    def do_not_wait_for_disk(self, session: Session) -> None:
        """Let this transaction's commit return early, where the database can: for notes whose loss costs only a
        second publish of the same bytes."""

    def known_users(self, session: Session, app_id: int, names: Collection[str]) -> dict[str, int]:
        """Ids of those names that exist."""

    def insert_users(
        self, session: Session, app_id: int, hashes: Sequence[tuple[str, str]], *, now_ms: int
    ) -> None:
        """Create users from (name hash, name) with their streams, where another process has not done so."""

    def lock_streams(self, session: Session, user_ids: Sequence[int]) -> list[StreamRow]:
        """Lock streams in the order of their ids and read them as the last commit left them."""

    def add_deliveries(
        self, session: Session, rows: Sequence[NewDelivery], counts: Mapping[int, int], *, push_due_at: int
    ) -> None:
        """Insert deliveries, and count so many new ones into each of these locked streams."""

    def release(
        self,
        session: Session,
        rows: Sequence[NewDelivery],
        counts: Mapping[int, int],
        *,
        now_ms: int,
        push_due_at: int,
    ) -> None:
        """Give deliveries that are held their numbers, and count as many into each of these locked streams."""

    def mark_released(self, session: Session, pairs: Sequence[tuple[str, int]]) -> None:
        """Clear held_until of these (notification, user), unless they are held again."""

    def lock_page(self, session: Session, notification_id: str, number: int) -> tuple[str, bool] | None:
        """Lock a page that is neither published nor given up: its names as JSON text, and whether it is stored."""

    def store_page(
        self,
        session: Session,
        notification_id: str,
        number: int,
        app_id: int,
        *,
        now_ms: int,
        push_due_at: int,
    ) -> bool:
        """Number and insert a locked page's notification for all its users in one step, and note that it is stored.

        False, with nothing done, if a name is unknown or this database has no such step: then it is done in several.
        Raises RunAgain if a user was erased meanwhile.
        """

    def page_items(
        self, session: Session, notification_id: str, app_id: int, names: Sequence[str]
    ) -> Sequence[Row[tuple[Any, ...]]] | None:
        """What shared.store.reading_back reads of a page, of those of these users who have a numbered delivery of it;
        None if this database needs no way of its own for that."""

    def raise_acks(self, session: Session, acks: Sequence[RaisedAck]) -> None:
        """Set what locked streams have acknowledged, and count the change."""

    def deliver(self, session: Session, ranges: Sequence[AckedRange], *, now_ms: int, alive_ms: int) -> None:
        """Move what is pending in these ranges, and expires after `alive_ms`, to delivered."""


def bulk_for(session: Session) -> Bulk:
    """The speaker for this session's database."""
    return PostgresBulk() if session.get_bind().dialect.name == "postgresql" else GenericBulk()
