"""In which company entries are sent to `deliver` again."""

from shared.protocol.jobs import Queue
from workers.jobs.reconcile import groups


def test_entries_go_by_queue_the_urgent_ones_first():
    due = [("a", Queue.BULK), ("b", Queue.CRITICAL), ("c", Queue.NORMAL), ("d", Queue.CRITICAL)]

    found = groups(due, [0, 0, 0, 0], group_members=256)

    assert found == [(Queue.CRITICAL, ["b", "d"]), (Queue.NORMAL, ["c"]), (Queue.BULK, ["a"])]


def test_a_group_is_never_larger_than_the_limit():
    found = groups([(str(n), Queue.NORMAL) for n in range(600)], [0] * 600, group_members=256)

    assert [len(ids) for _, ids in found] == [256, 256, 88]


def test_what_failed_travels_apart_from_what_did_not_and_at_last_alone():
    due = [(name, Queue.NORMAL) for name in "abcdef"]

    found = groups(due, [0, 9, 0, 9, 1, 9], group_members=256)

    assert found == [
        (Queue.NORMAL, ["a", "c"]),
        (Queue.NORMAL, ["e"]),
        (Queue.NORMAL, ["b"]),
        (Queue.NORMAL, ["d"]),
        (Queue.NORMAL, ["f"]),
    ]
