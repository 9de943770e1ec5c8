"""What database and Redis hold in the end, read beside the service; and what waits 15 s, made to wait no longer.

Other drills judge from screens alone. Here the question is what a crash leaves behind, so the rows are looked at too.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
import redis
from sqlalchemy.engine import make_url

from drills.ledger import Line
from shared.redis import keys

_HASTEN_NOTIFICATIONS: LiteralString = (
    "UPDATE notifications SET stored_at = now() - interval '1 minute', next_attempt_at = NULL"
    " WHERE published_at IS NULL"
)
_HASTEN_PAGES: LiteralString = (
    "UPDATE pages SET created_at = now() - interval '1 minute', next_attempt_at = NULL"
    " WHERE published_at IS NULL"
)
_HASTEN_DUE: LiteralString = (
    "UPDATE notifications SET due_at = send_at WHERE due_at IS NOT NULL AND send_at <= now()"
)
_HASTEN_RELEASED: LiteralString = (
    "UPDATE deliveries SET held_until = held_until - interval '1 minute',"
    " released_at = released_at - interval '1 minute' WHERE held_until IS NOT NULL AND released_at IS NOT NULL"
)
_HELD: LiteralString = "SELECT count(*) FROM deliveries WHERE held_until IS NOT NULL"
_ROWS: LiteralString = (
    "SELECT n.data::json->>'n', n.id::text, n.published_at IS NOT NULL,"
    " (SELECT count(*) FROM pages p WHERE p.notification_id = n.id AND p.published_at IS NULL)"
    " FROM notifications n"
)
_DELIVERIES: LiteralString = (
    "SELECT d.notification_id::text, u.name, d.seq, d.state"
    " FROM deliveries d JOIN users u ON u.id = d.user_id"
)


class Books:
    """One run's database and Redis."""

    def __init__(self, database_url: str, client: redis.Redis) -> None:
        address = make_url(database_url).set(drivername="postgresql")
        self._connection = psycopg.connect(
            address.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
        )
        self._client = client

    def hasten(self) -> None:
        """Let the next reconciler look at everything that waits."""
        due: Any = self._client.zrange(keys.JOURNAL_DUE, 0, -1)
        if due:
            self._client.zadd(keys.JOURNAL_DUE, dict.fromkeys(due, 1), xx=True)
        self._connection.execute(_HASTEN_NOTIFICATIONS)
        self._connection.execute(_HASTEN_PAGES)
        self._connection.execute(_HASTEN_DUE)
        self._connection.execute(_HASTEN_RELEASED)

    def published(self, lines: Iterable[Line]) -> bool:
        """Whether these are stored and published."""
        there = {id for _, id, published, _ in self._connection.execute(_ROWS) if published}
        return {line.id for line in lines} <= there

    def left(self) -> dict[str, int]:
        """What waits to be stored, published or acknowledged: nothing, when all is done."""
        rows = list(self._connection.execute(_ROWS))
        entries: Any = self._client.hlen(keys.JOURNAL)
        acks: Any = self._client.hlen(keys.ACKS)
        unpublished = sum(not published or pages > 0 for _, _, published, pages in rows)
        [(held,)] = self._connection.execute(_HELD)
        return {"entries": entries, "acks": acks, "unpublished": unpublished, "held": held}

    def jobs(self) -> int:
        """How many jobs workers hold, or held when they died."""
        held: Any = self._client.hlen("unacked")
        return int(held)

    def faults(self, lines: Iterable[Line], *, following: Iterable[str]) -> dict[int, str]:
        """What is wrong, by the number of the line; `following` are the users whose devices acknowledge."""
        stored: dict[int, list[str]] = defaultdict(list)
        for number, id, published, pages in self._connection.execute(_ROWS):
            stored[int(number)].append(id if published and not pages else "unpublished")
        receivers: dict[str, list[tuple[str, str]]] = defaultdict(list)
        seqs: dict[str, list[int]] = defaultdict(list)
        for id, user, seq, state in self._connection.execute(_DELIVERIES):
            receivers[id].append((user, state))
            seqs[user].append(seq)
        gaps = {user for user, found in seqs.items() if sorted(found) != list(range(1, len(found) + 1))}
        found = {}
        for line in lines:
            users, awake = line.users or (), set(following)
            states = receivers[line.id]
            if stored[line.number] != [line.id]:
                found[line.number] = f"stored as {stored[line.number]}"
            elif sorted(user for user, _ in states) != sorted(users):
                found[line.number] = "its deliveries are not one for each of its users"
            elif gaps & set(users):
                found[line.number] = f"the streams of {sorted(gaps & set(users))} have gaps"
            elif late := [user for user, state in states if user in awake and state != "delivered"]:
                found[line.number] = f"the acks of {late} are not counted"
        return found

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()
