"""A record in Redis that nobody can read costs its user, and never the node."""

from shared.redis import keys
from tests.integration.wsnode.client import wait_until


def test_a_record_that_cannot_be_read_does_not_keep_the_node_not_ready(
    start_node, redis_of_module, backend, user
):
    node = start_node(redis_of_module.url)
    other = f"{user} other"
    with node.connect(user) as poisoned, node.connect(other) as healthy:
        poisoned.online()
        healthy.online()
        before = node.metric("bellhop_node_desync_total")
        backend.client.set(keys.stream("main", user), "no record")
        backend.client.client_kill_filter(_type="pubsub")
        wait_until(lambda: node.metric("bellhop_node_desync_total") > before)
        wait_until(node.ready)
        backend.publish(other)
        assert healthy.wait("notification")["seq"] == 1
    assert "stream_unreadable" in node.log()
    backend.client.delete(keys.stream("main", user))
