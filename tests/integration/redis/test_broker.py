"""kombu's transport as we use it: one client for all commands of a channel."""

from kombu import Connection

from shared import broker


def test_a_channel_keeps_its_client_until_its_pool_is_replaced(redis_url):
    broker.install()
    with Connection(redis_url) as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()

        channel._disconnect_pools()

        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()
