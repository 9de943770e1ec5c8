"""One Celery task per notification with default settings: how most services on Celery begin.

The task does what the peers' job does: BEGIN, two INSERTs, COMMIT, then PUBLISH. Used by naive_api (to send) and by
`celery -A bench.baselines.naive_tasks worker` (to work).
"""

import os
from functools import cache
from typing import Any

import orjson
import redis
from celery import Celery
from sqlalchemy import Engine, create_engine, text

app = Celery("naive", broker=os.environ["NAIVE_REDIS_URL"])

_NOTIFICATION = text("INSERT INTO peer_notifications (id, event, data) VALUES (:id, :event, :data)")
_DELIVERY = text(
    "INSERT INTO peer_deliveries (notification_id, user_name, state) VALUES (:id, :user, 'pending')"
)


@cache
def _engine() -> Engine:
    return create_engine(os.environ["NAIVE_DATABASE_URL"])


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(os.environ["NAIVE_REDIS_URL"])


@app.task(name="naive.deliver")  # type: ignore[untyped-decorator]
def deliver(notification: dict[str, Any]) -> None:
    """Store one notification and its delivery, then publish it."""
    user, id = notification["to"]["users"][0], notification["id"]
    data = orjson.dumps(notification["data"]).decode()
    with _engine().begin() as connection:
        connection.execute(_NOTIFICATION, {"id": id, "event": notification["event"], "data": data})
        connection.execute(_DELIVERY, {"id": id, "user": user})
    _redis().publish(os.environ["NAIVE_CHANNEL"], orjson.dumps({"to": user, **notification}))
