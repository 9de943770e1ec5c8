"""The story: what it costs to ask about a notification for 100,000 users, and to list one's notifications.

Rows are put into PostgreSQL directly. Asked over one kept connection of one API process, with everything else resting.
"""

import http.client
import time
from collections.abc import Callable, Iterator

import orjson

from bench.cases.audience import USERS_SQL
from bench.context import Context
from bench.processes import BenchError
from bench.report import Result, note
from bench.services import Database, required
from bench.stack import Stack, stack

_BASE_MS = 1_790_000_000_000
_ID = "(lpad(to_hex({ms}), 12, '0') || '7' || substr(md5({seed}), 1, 3) || '8' || substr(md5({seed}), 4, 15))::uuid"
_COLUMNS = """id, app_id, event, data, priority, everyone, recipients, status, ttl, accepted_at, stored_at,
    published_at, expires_at, sender, request_id, tags, attempts"""
_NOTIFICATIONS_SQL = """
INSERT INTO notifications ({columns})
SELECT {id}, a.id, CASE WHEN i = 7 THEN 'rare' ELSE 'event.' || i % 20 END,
    '{{"message":"Order ' || i || ' is paid."}}', 'normal', false, {recipients}, 'sent', 86400, now(), now(), now(),
    now() + interval '1 day', 'key:bench', 'bench', '[]', 0
FROM apps a, generate_series({first}, {last}) i WHERE a.name = 'main'
"""
_DELIVERIES_SQL = """
INSERT INTO deliveries (notification_id, user_id, seq, state, rev)
SELECT n.id, u.id, {seq}, '{state}', 1
FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS i FROM notifications WHERE recipients = {recipients}) n
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS i FROM users) u ON {condition}
"""
Ask = Callable[[str], dict[str, object]]


def run(context: Context) -> Iterator[Result]:
    """One result for GET of one, one for the list."""
    users, others = (20_000, 100_000) if context.quick else (100_000, 1_000_000)
    with stack(context, nodes=1, under_test=("api",)) as ours:
        ours.rest("node", "worker", "worker_bulk", "beat", "flower")
        database = required(ours.database)
        big = _fill(database, users, others)
        ((small,),) = database.execute("SELECT id::text FROM notifications WHERE event = 'rare'")
        ask = _asker(ours)
        parameters = {"recipients": users, "notifications": others, "database": "postgresql"}
        yield Result("story_one", parameters, _one(ask, ours, big, str(small)))
        yield Result("story_list", parameters, _lists(ask))


def _fill(database: Database, users: int, others: int) -> str:
    """Unicast ones, all delivered, and a newer one for all users, half of it delivered; the id of that."""
    database.execute(USERS_SQL.format(count=users))
    for first, last, recipients in ((1, others, 1), (others + 1, others + 1, users)):
        id = _ID.format(ms=f"{_BASE_MS}::bigint + i", seed="i::text")
        values = {"columns": _COLUMNS, "id": id, "recipients": recipients, "first": first, "last": last}
        database.execute(_NOTIFICATIONS_SQL.format(**values))
    each, all = {"condition": f"u.i = n.i % {users}"}, {"condition": "true"}
    database.execute(
        _DELIVERIES_SQL.format(recipients=1, seq=f"1 + n.i / {users}", state="delivered", **each)
    )
    database.execute(_DELIVERIES_SQL.format(recipients=users, seq="1000000", state="pending", **all))
    ((big,),) = database.execute(f"SELECT id::text FROM notifications WHERE recipients = {users}")
    database.execute(
        f"UPDATE deliveries SET state = 'delivered', delivered_at = now()"
        f" WHERE notification_id = '{big}' AND user_id % 2 = 0"
    )
    database.execute("VACUUM ANALYZE")
    return str(big)


def _one(ask: Ask, ours: Stack, big: str, small: str) -> dict[str, float]:
    """GET of one for one user, and of the big one: counted anew each time, and watched ten times a second."""
    single = sorted(_ms(ask, f"/v1/notifications/{small}") for _ in range(51))[25]
    path = f"/v1/notifications/{big}"
    counted = []
    for _ in range(15):
        ours.redis.flushdb()
        counted.append(_ms(ask, path))
    watched = []
    for _ in range(100):
        watched.append(_ms(ask, path))
        time.sleep(0.1)
    note(
        f"  story_one: one user {single:.1f}, counted {sorted(counted)[7]:.1f}, watched {sorted(watched)[50]:.1f}"
    )
    return {
        "one_user_ms": single,
        "counted_ms": sorted(counted)[len(counted) // 2],
        "watched_p50_ms": sorted(watched)[len(watched) // 2],
        "watched_p90_ms": sorted(watched)[len(watched) * 9 // 10],
        "watched_max_ms": max(watched),
    }


def _lists(ask: Ask) -> dict[str, float]:
    """Pages of 50, and one for which nothing matches within the window."""
    asked = {
        "newest_ms": "/v1/notifications",
        "event_ms": "/v1/notifications?event=event.3",
        "completed_ms": "/v1/notifications?status=completed",
        "nothing_in_window_ms": "/v1/notifications?event=rare",
        "key_ms": "/v1/notifications?cancel_key=none",
        "rare_state_ms": "/v1/notifications?status=scheduled",
        "user_ms": "/v1/users/u77/deliveries",
        "user_state_ms": "/v1/users/u77/deliveries?state=held",
    }
    found = {}
    for name, path in asked.items():
        ask(path)
        found[name] = sorted(_ms(ask, path) for _ in range(15))[7]
        note(f"  story_list {name}: {found[name]:.1f}")
    return found


def _asker(ours: Stack) -> Ask:
    connection = http.client.HTTPConnection("127.0.0.1", ours.api_port, timeout=30)

    def ask(path: str) -> dict[str, object]:
        connection.request("GET", path, headers=ours.auth())
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise BenchError(f"story: {path}: {answer.status} {body[:200]!r}")
        found: dict[str, object] = orjson.loads(body)
        return found

    return ask


def _ms(ask: Ask, path: str) -> float:
    begun = time.perf_counter()
    ask(path)
    return (time.perf_counter() - begun) * 1e3
