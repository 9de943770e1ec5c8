"""A worker that is told to stop is not held up by a child that waits for a parent who reads no more."""

import inspect

from billiard import pool

from workers import pool_end


def test_a_child_waits_two_seconds_for_its_parent_instead_of_thirty():
    pool_end.install()

    assert (
        pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT * pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
        == pool_end.WAIT_S
    )
    # The bound is still what billiard goes by.
    waiting = inspect.getsource(pool.Worker._ensure_messages_consumed)
    assert "range(GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT)" in waiting
