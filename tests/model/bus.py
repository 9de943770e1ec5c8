"""The bus of the model: what is on its way from Redis to the nodes, and what becomes of it."""

from collections.abc import Sequence

from tests.model.node import ModelNode
from tests.model.redis import Redis


class Bus:
    """Redis's channels, one for each node; `nodes` is the world's own list, in which dead ones are replaced."""

    def __init__(self, redis: Redis, nodes: Sequence[ModelNode]) -> None:
        self._redis = redis
        self._nodes = nodes
        self.holds = False
        """Nothing arrives by itself."""

    def meet(self, fates: Sequence[str]) -> None:
        """What becomes of the messages that are on their way to each node."""
        for node, fate in zip(self._nodes, fates, strict=False):
            channel = self._redis.channels.get(node.node, [])
            match fate:
                case "waits":
                    self.holds = True
                case "is lost":
                    channel.clear()
                case "is torn":
                    del channel[::2]
                case "loses its beginning":
                    del channel[:-1]
                case "is reversed":
                    channel.reverse()

    def arrive(self, node: int, pick: int, *, lose: bool = False, twice: bool = False) -> None:
        """A message on a node's channel arrives, out of turn perhaps; or it is lost, or comes twice."""
        channel = self._redis.channels.get(self._nodes[node].node)
        if channel:
            message = channel[pick % len(channel)]
            if not twice:
                channel.remove(message)
            if not lose:
                self._nodes[node].take([message])

    def arrive_all(self, node: int, *, lose: bool = False) -> None:
        """All that is on a node's channel comes with one read, or is lost."""
        channel = self._redis.channels.get(self._nodes[node].node)
        if channel:
            messages = list(channel)
            channel.clear()
            if not lose:
                self._nodes[node].take(messages)

    def waiting(self) -> list[int]:
        """The nodes to which something is on its way."""
        return [number for number, node in enumerate(self._nodes) if self._redis.channels.get(node.node)]
