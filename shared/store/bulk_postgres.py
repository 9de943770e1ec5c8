"""Statements on many rows for PostgreSQL: a group travels as one array a column.

The server plans and parses once, however many rows there are: 10,000 rows took 22 ms by `unnest` and 92 ms by the
driver's executemany.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.store import pages_postgres
from shared.store.rows import AckedRange, NewDelivery, NewNotification, RaisedAck, StreamRow

# Sorted by id, so that two processes with overlapping groups wait for one another instead of deadlocking.
_INSERT_NOTIFICATIONS = text("""
    INSERT INTO notifications (id, app_id, event, data, priority, everyone, recipients, status, ttl, accepted_at,
        stored_at, published_at, expires_at, expired_at, sender, request_id, collapse_key, cancel_key, thread_key,
        tags, attempts)
    SELECT t.id, t.app_id, t.event, t.data, t.priority, t.everyone, t.recipients, t.status, t.ttl,
        to_timestamp(t.accepted_at / 1000.0), to_timestamp(:stored_at / 1000.0),
        to_timestamp(t.published_at / 1000.0), to_timestamp(t.expires_at / 1000.0),
        to_timestamp(t.expired_at / 1000.0), t.sender, t.request_id, t.collapse_key, t.cancel_key, t.thread_key,
        t.tags, 0
    FROM unnest(CAST(:id AS uuid[]), CAST(:app_id AS int[]), CAST(:event AS text[]), CAST(:data AS text[]),
        CAST(:priority AS text[]), CAST(:everyone AS boolean[]), CAST(:recipients AS int[]),
        CAST(:status AS text[]), CAST(:ttl AS int[]), CAST(:accepted_at AS bigint[]),
        CAST(:published_at AS bigint[]), CAST(:expires_at AS bigint[]), CAST(:expired_at AS bigint[]),
        CAST(:sender AS text[]), CAST(:request_id AS text[]), CAST(:collapse_key AS text[]),
        CAST(:cancel_key AS text[]), CAST(:thread_key AS text[]), CAST(:tags AS text[]))
        AS t(id, app_id, event, data, priority, everyone, recipients, status, ttl, accepted_at, published_at,
        expires_at, expired_at, sender, request_id, collapse_key, cancel_key, thread_key, tags)
    ORDER BY t.id
    ON CONFLICT (id) DO NOTHING
    RETURNING CAST(id AS text)
""")

# COALESCE instead of IS NULL keeps the planner off the index of what is unpublished: its entries are dead as soon as
# they are made, and until the next vacuum it would read all of them (14 ms instead of 3).
# Losing this with the server costs one more publish of the same bytes, so nobody waits for the disk; the setting rides
# along instead of taking a round trip of its own.
_MARK_PUBLISHED = text("""
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS setting)
    UPDATE notifications n SET published_at = to_timestamp(:now / 1000.0),
        status = CASE WHEN n.status = :sending THEN :sent ELSE n.status END
    FROM quick, (SELECT m.id FROM unnest((SELECT CAST(:ids AS uuid[]))) AS t(id) JOIN notifications m ON m.id = t.id
        ORDER BY m.id FOR NO KEY UPDATE OF m) AS waiting
    WHERE quick.setting = 'off' AND n.id = waiting.id AND COALESCE(n.published_at, 'infinity') = 'infinity'
        AND n.cancelled_at IS NULL
""")

# Joins with unnest((SELECT array)), never `= ANY(array)` nor unnest(array): where the planner sees how many values
# there are it takes 256 for all of a table without statistics (14 ms instead of 1 for 100,000 users), and 1,000 for so
# many that it reads all of a table of 100,000 rather than its index (36 ms instead of 11 for a page).
_KNOWN_USERS = text("""
    SELECT u.name, u.id FROM unnest((SELECT CAST(:names AS text[]))) AS t(name)
    JOIN users u ON u.app_id = :app_id AND u.name = t.name
""")

_REVIVE_USERS = text("""
    WITH revived AS (
        UPDATE users u SET name = t.name, erased_at = NULL, updated_at = to_timestamp(:now / 1000.0)
        FROM unnest((SELECT CAST(:hashes AS text[])), (SELECT CAST(:names AS text[]))) AS t(hash, name)
        WHERE u.app_id = :app_id AND u.name_hash = t.hash AND u.name IS NULL
        RETURNING u.id
    )
    UPDATE streams SET erased = false FROM revived WHERE streams.user_id = revived.id
""")

_INSERT_USERS = text("""
    WITH made AS (
        INSERT INTO users (app_id, name, name_hash, attributes, created_at, updated_at)
        SELECT :app_id, t.name, t.hash, '{}', to_timestamp(:now / 1000.0), to_timestamp(:now / 1000.0)
        FROM unnest(CAST(:hashes AS text[]), CAST(:names AS text[])) AS t(hash, name) ORDER BY t.hash
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    INSERT INTO streams (user_id, last_seq, acked, all_acked, rev, total, unseen, unread, archived, erased)
    SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, false FROM made
""")

_LOCK_STREAMS = text("""
    SELECT s.user_id, s.last_seq, s.acked, s.all_acked, s.rev, s.total, s.unseen, s.unread, s.archived, s.erased
    FROM unnest((SELECT CAST(:ids AS bigint[]))) AS t(user_id) JOIN streams s ON s.user_id = t.user_id
    ORDER BY s.user_id FOR NO KEY UPDATE OF s
""")

# In one round trip: streams that are locked already, and the rows that use their numbers.
_ADD_DELIVERIES = text("""
    WITH grown AS (
        UPDATE streams s SET last_seq = s.last_seq + t.new, rev = s.rev + 1, total = s.total + t.new,
            unseen = s.unseen + t.new, unread = s.unread + t.new
        FROM unnest((SELECT CAST(:ids AS bigint[])), (SELECT CAST(:new AS int[]))) AS t(user_id, new)
        WHERE s.user_id = t.user_id
    )
    INSERT INTO deliveries (notification_id, user_id, seq, state, rev, push_due_at)
    SELECT t.notification_id, t.user_id, t.seq, t.state, t.rev,
        CASE WHEN t.seq IS NOT NULL THEN to_timestamp(:push_due_at / 1000.0) END
    FROM unnest(CAST(:notification_ids AS uuid[]), CAST(:user_ids AS bigint[]), CAST(:seqs AS bigint[]),
        CAST(:states AS text[]), CAST(:revs AS bigint[])) AS t(notification_id, user_id, seq, state, rev)
""")

_RELEASE = text("""
    WITH grown AS (
        UPDATE streams s SET last_seq = s.last_seq + t.new, rev = s.rev + 1, total = s.total + t.new,
            unseen = s.unseen + t.new, unread = s.unread + t.new
        FROM unnest((SELECT CAST(:ids AS bigint[])), (SELECT CAST(:new AS int[]))) AS t(user_id, new)
        WHERE s.user_id = t.user_id
    )
    UPDATE deliveries d SET state = :pending, seq = t.seq, rev = t.rev,
        released_at = to_timestamp(:now / 1000.0), push_due_at = to_timestamp(:push_due_at / 1000.0)
    FROM unnest((SELECT CAST(:notification_ids AS uuid[])), (SELECT CAST(:user_ids AS bigint[])),
        (SELECT CAST(:seqs AS bigint[])), (SELECT CAST(:revs AS bigint[]))) AS t(notification_id, user_id, seq, rev)
    WHERE d.notification_id = t.notification_id AND d.user_id = t.user_id AND d.state = :held
""")

_MARK_RELEASED = text("""
    UPDATE deliveries d SET held_until = NULL
    FROM unnest((SELECT CAST(:ids AS uuid[])), (SELECT CAST(:user_ids AS bigint[]))) AS t(id, user_id)
    WHERE d.notification_id = t.id AND d.user_id = t.user_id AND d.state <> :held
""")

_RAISE_ACKS = text("""
    UPDATE streams s SET acked = t.acked, all_acked = t.all_acked, rev = s.rev + 1
    FROM unnest((SELECT CAST(:user_ids AS bigint[])), (SELECT CAST(:acked AS bigint[])),
        (SELECT CAST(:all_acked AS bigint[]))) AS t(user_id, acked, all_acked)
    WHERE s.user_id = t.user_id
""")

_DELIVER = text("""
    UPDATE deliveries d SET state = :delivered, delivered_at = to_timestamp(:now / 1000.0), rev = t.rev
    FROM unnest((SELECT CAST(:user_ids AS bigint[])), (SELECT CAST(:after AS bigint[])),
        (SELECT CAST(:upto AS bigint[])), (SELECT CAST(:revs AS bigint[]))) AS t(user_id, after, upto, rev)
    WHERE d.user_id = t.user_id AND d.seq > t.after AND d.seq <= t.upto AND d.state = :pending
        AND (SELECT n.expires_at FROM notifications n WHERE n.id = d.notification_id)
            > to_timestamp(:alive / 1000.0)
""")


def numbers(values: Iterable[int | None]) -> str:
    """An array of numbers or booleans as PostgreSQL reads it; the driver's own way takes 10 times as long."""
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"


def words(values: Iterable[str | None]) -> str:
    """An array of texts as PostgreSQL reads it."""
    return "{" + ",".join("NULL" if value is None else _quoted(value) for value in values) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_NUMBERS = frozenset(
    {"app_id", "everyone", "recipients", "ttl", "accepted_at", "published_at", "expires_at", "expired_at"}
)


class PostgresBulk:
    """Implements shared.store.bulk.Bulk."""

    def insert_notifications(
        self, session: Session, rows: Sequence[NewNotification], *, stored_at: int
    ) -> set[str]:
        """Insert the rows whose id is new; their ids. Waits for a transaction that is inserting the same id."""
        columns = zip(NewNotification._fields, zip(*rows, strict=True), strict=True)
        values: dict[str, object] = {
            name: numbers(column) if name in _NUMBERS else words(column) for name, column in columns
        }
        return set(session.scalars(_INSERT_NOTIFICATIONS, {**values, "stored_at": stored_at}))

    def mark_published(self, session: Session, ids: Sequence[str], *, now_ms: int) -> int:
        """Set published_at where it is missing; how many rows."""
        values = {"now": now_ms, "ids": words(ids), "sending": Status.SENDING, "sent": Status.SENT}
        return session.execute(_MARK_PUBLISHED, values).rowcount  # type: ignore[attr-defined,no-any-return]

    def do_not_wait_for_disk(self, session: Session) -> None:
        """Let this transaction's commit return before it is on the disk."""
        session.execute(text("SET LOCAL synchronous_commit = off"))

    def known_users(self, session: Session, app_id: int, names: Collection[str]) -> dict[str, int]:
        """Ids of those names that exist."""
        return dict(session.execute(_KNOWN_USERS, {"app_id": app_id, "names": words(names)}).all())

    def insert_users(
        self, session: Session, app_id: int, hashes: Sequence[tuple[str, str]], *, now_ms: int
    ) -> None:
        """Create users with their streams, where another process has not done so; erased ones come back."""
        digests, names = zip(*hashes, strict=True)
        values = {"app_id": app_id, "hashes": words(digests), "names": words(names), "now": now_ms}
        session.execute(_REVIVE_USERS, values)
        session.execute(_INSERT_USERS, values)

    def lock_streams(self, session: Session, user_ids: Sequence[int]) -> list[StreamRow]:
        """Lock streams in the order of their ids and read them as the last commit left them."""
        return [StreamRow(*row) for row in session.execute(_LOCK_STREAMS, {"ids": numbers(user_ids)}).all()]

    def add_deliveries(
        self, session: Session, rows: Sequence[NewDelivery], counts: Mapping[int, int], *, push_due_at: int
    ) -> None:
        """Insert deliveries, and count so many new ones into each of these locked streams."""
        notification_ids, user_ids, seqs, states, revs = zip(*rows, strict=True)
        values = {
            "notification_ids": words(notification_ids),
            "user_ids": numbers(user_ids),
            "seqs": numbers(seqs),
            "states": words(states),
            "revs": numbers(revs),
            "push_due_at": push_due_at,
            "ids": numbers(counts),
            "new": numbers(counts.values()),
        }
        session.execute(_ADD_DELIVERIES, values)

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
        values = {
            "notification_ids": words(row.notification_id for row in rows),
            "user_ids": numbers(row.user_id for row in rows),
            "seqs": numbers(row.seq for row in rows),
            "revs": numbers(row.rev for row in rows),
            "ids": numbers(counts),
            "new": numbers(counts.values()),
        }
        states = {"pending": State.PENDING, "held": State.HELD}
        session.execute(_RELEASE, {**values, **states, "now": now_ms, "push_due_at": push_due_at})

    def mark_released(self, session: Session, pairs: Sequence[tuple[str, int]]) -> None:
        """Clear held_until of these (notification, user), unless they are held again."""
        ids, user_ids = zip(*pairs, strict=True)
        session.execute(
            _MARK_RELEASED, {"ids": words(ids), "user_ids": numbers(user_ids), "held": State.HELD}
        )

    def lock_page(self, session: Session, notification_id: str, number: int) -> tuple[str, bool] | None:
        """Lock a page that is neither published nor given up: its names as JSON text, and whether it is stored."""
        return pages_postgres.lock(session, notification_id, number)

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
        """Number and insert a locked page's notification for all its users in one step; whether that was done."""
        return pages_postgres.store(
            session, notification_id, number, app_id, now_ms=now_ms, push_due_at=push_due_at
        )

    def page_items(
        self, session: Session, notification_id: str, app_id: int, names: Sequence[str]
    ) -> Sequence[Row[tuple[Any, ...]]]:
        """What those of these users have who have a numbered delivery of a notification."""
        return pages_postgres.items(session, notification_id, app_id, words(names))

    def raise_acks(self, session: Session, acks: Sequence[RaisedAck]) -> None:
        """Set what locked streams have acknowledged, and count the change."""
        user_ids, acked, all_acked = map(numbers, zip(*acks, strict=True))
        session.execute(_RAISE_ACKS, {"user_ids": user_ids, "acked": acked, "all_acked": all_acked})

    def deliver(self, session: Session, ranges: Sequence[AckedRange], *, now_ms: int, alive_ms: int) -> None:
        """Move what is pending in these ranges, and expires after `alive_ms`, to delivered."""
        user_ids, after, upto, revs = map(numbers, zip(*ranges, strict=True))
        values = {"user_ids": user_ids, "after": after, "upto": upto, "revs": revs, "now": now_ms}
        states = {"pending": State.PENDING, "delivered": State.DELIVERED}
        session.execute(_DELIVER, {**values, **states, "alive": alive_ms})
