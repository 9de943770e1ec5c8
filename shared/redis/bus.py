"""Messages to nodes outside the stream: replies, states, the answers of jobs."""

from typing import Any

import redis

from shared.protocol import envelope
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Script


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

    def state(
        self, app: str, user: str, frame: dict[str, Any], *, except_connection: str | None = None
    ) -> int:
        """Send a `state` frame to all of a user's nodes; tells how many took it. Raises RedisUnavailable."""
        message = envelope.encode_state(app, user, frame, except_connection)
        return int(self._to_user.run(self._client, [keys.stream(app, user)], [message]))
