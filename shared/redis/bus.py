"""Messages to nodes outside the stream: replies, states, the answers of jobs."""

from typing import Any, Final

import orjson
import redis

from shared.protocol import envelope
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Script

REPLY_LIFE: Final = 60
"""Seconds; nobody waits for so long."""


class Bus:
    """Adapter of PUBLISH on node channels."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._to_user = Script("send_to_user")

    def to_node(self, node: str, message: bytes) -> bool:
        """Send an envelope to one node; False if nobody listens (its lease ends then). Raises RedisUnavailable."""
        with guarded():
            if int(self._client.publish(keys.channel(node), message)) > 0:
                return True
            self._client.delete(keys.lease(node))
        return False

    def keep_reply(self, id: str, connection: str, ref: str | int) -> None:
        """Remember who waits for a notification that is published page by page. Raises RedisUnavailable."""
        with guarded():
            self._client.set(keys.reply(id), orjson.dumps([connection, ref]), ex=REPLY_LIFE)

    def take_reply(self, id: str) -> tuple[str, str | int] | None:
        """Who waits for it, told once; None if nobody does. Raises RedisUnavailable."""
        with guarded():
            found = self._client.getdel(keys.reply(id))
        if not isinstance(found, bytes):
            return None
        connection, ref = orjson.loads(found)
        return connection, ref

    def state(
        self, app: str, user: str, frame: dict[str, Any], *, except_connection: str | None = None
    ) -> int:
        """Send a `state` frame to all of a user's nodes; tells how many took it. Raises RedisUnavailable."""
        message = envelope.encode_state(app, user, frame, except_connection)
        return int(self._to_user.run(self._client, [keys.stream(app, user)], [message]))
