"""api.intake: who shares a group, who gets which answer, and what a slow or absent Redis does to them."""

import time

import gevent
import pytest
from gevent.pool import Group

from api.intake import GroupLimits, Intake
from shared.errors import AppError, Internal, Unavailable
from shared.protocol.jobs import Queue
from shared.protocol.journal import Entry
from shared.redis.journal import Accepted, Submission, Verdict
from tests.unit.api.fakes import NOW, FakeJournal, FakeQueue, until


def submission(*names: str, priority: str = "normal", size: int = 100, key: str = "") -> Submission:
    entries = [
        Entry(
            id=name, app="main", accepted_at=NOW, expires_at=NOW + 1000, request_id="r", sender="key:k",
            priority=priority, users=("ana",), everyone=False, exclude=(), event="e", data_json="{}", ttl=1,
        )
        for name in names
    ]  # fmt: skip
    return Submission(entries, [b"x" * size for _ in names], (key, "ff", f"answer {names}") if key else None)


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def intake(journal: FakeJournal, queue: FakeQueue, **limits) -> Intake:
    return Intake(journal.accept, queue.enqueue, GroupLimits(**limits))


def together(taking: Intake, *submissions: Submission, priority: str = "normal") -> list[object]:
    """Submit all at once and return each verdict or error."""

    def one(each: Submission) -> object:
        try:
            return taking.submit(each, priority=priority).verdict
        except AppError as error:
            return error

    tasks = [gevent.spawn(one, each) for each in submissions]
    gevent.joinall(tasks, timeout=5, raise_error=True)
    return [task.value for task in tasks]


def jobs(queue: FakeQueue, members: int) -> list[tuple[Queue, list[str]]]:
    """Wait until so many members were enqueued and return the jobs: they go out beside the answers."""
    until(lambda: sum(len(ids) for _, ids in queue.jobs) >= members)
    return queue.jobs


def test_requests_that_arrive_together_share_one_round_trip_and_one_job(journal, queue):
    verdicts = together(intake(journal, queue), *(submission(f"n{i}") for i in range(50)))

    assert verdicts == [Verdict.STORED] * 50
    assert [len(group) for group in journal.groups] == [50]
    assert jobs(queue, 50) == [(Queue.NORMAL, [f"n{i}" for i in range(50)])]


def test_what_a_quota_left_out_gets_no_job(queue):
    taking = Intake(
        lambda group: [Accepted(Verdict.STORED, "", frozenset({1})) for _ in group],
        queue.enqueue,
        GroupLimits(),
    )

    together(taking, submission("a", "b", "c"), submission("d"))

    assert jobs(queue, 3) == [(Queue.NORMAL, ["a", "c", "d"])]


def test_a_lone_request_waits_for_nobody(journal, queue):
    begun = time.monotonic()
    together(intake(journal, queue), submission("n"))

    assert time.monotonic() - begun < 0.05
    assert len(journal.groups) == 1


def test_a_group_holds_at_most_256_members(journal, queue):
    together(intake(journal, queue), *(submission(f"n{i}") for i in range(600)))

    assert [len(group) for group in journal.groups] == [256, 256, 88]
    assert max(len(ids) for _, ids in jobs(queue, 600)) <= 256
    assert [id for _, ids in queue.jobs for id in ids] == [f"n{i}" for i in range(600)]


def test_a_group_holds_at_most_its_bytes(journal, queue):
    together(intake(journal, queue, bytes=1000), *(submission(f"n{i}", size=400) for i in range(5)))

    assert [len(group) for group in journal.groups] == [2, 2, 1]
    assert [len(ids) for _, ids in jobs(queue, 5)] == [2, 2, 1]


def test_a_batch_is_written_whole_and_delivered_in_jobs_of_256(journal, queue):
    verdicts = together(intake(journal, queue), submission(*(f"n{i}" for i in range(600))))

    assert verdicts == [Verdict.STORED]
    assert [len(ids) for _, ids in jobs(queue, 600)] == [256, 256, 88]


def test_what_arrives_during_a_round_trip_waits_for_the_next_one(journal, queue):
    journal.hangs = 0.02
    taking = intake(journal, queue)
    group = Group()
    group.spawn(taking.submit, submission("first"), priority="normal")
    gevent.sleep(0.005)
    for name in ("second", "third"):
        group.spawn(taking.submit, submission(name), priority="normal")
    group.join(timeout=5, raise_error=True)

    assert [[each.entries[0].id for each in found] for found in journal.groups] == [
        ["first"],
        ["second", "third"],
    ]


def test_priorities_do_not_share_a_group_and_go_to_their_own_queues(journal, queue):
    taking = intake(journal, queue)
    group = Group()
    for priority in ("bulk", "normal", "critical"):
        group.spawn(taking.submit, submission(priority, priority=priority), priority=priority)
    group.join(timeout=5, raise_error=True)

    assert len(journal.groups) == 3
    assert jobs(queue, 3) == [
        (Queue.CRITICAL, ["critical"]),
        (Queue.NORMAL, ["normal"]),
        (Queue.BULK, ["bulk"]),
    ]


def test_a_mixed_batch_is_one_request_and_a_job_per_priority(journal, queue):
    mixed = Submission(
        [*submission("n").entries, *submission("c", priority="critical").entries], [b"x", b"y"]
    )
    together(intake(journal, queue), mixed, priority="critical")

    assert len(journal.groups) == 1
    assert jobs(queue, 2) == [(Queue.CRITICAL, ["c"]), (Queue.NORMAL, ["n"])]


def test_each_request_gets_its_own_verdict(journal, queue):
    journal.room = 2
    verdicts = together(
        intake(journal, queue),
        submission("a", key="k"),
        submission("a", key="k"),
        submission("b"),
        submission("c"),
    )

    assert verdicts == [Verdict.STORED, Verdict.REPLAYED, Verdict.STORED, Verdict.FULL]
    assert jobs(queue, 2) == [(Queue.NORMAL, ["a", "b"])]


def test_nothing_is_enqueued_for_what_was_not_stored(journal, queue):
    journal.room = 0
    together(intake(journal, queue), submission("a"))

    assert queue.jobs == []


def test_a_journal_that_is_away_refuses_all_that_wait(journal, queue):
    journal.away = True
    errors = together(intake(journal, queue, members=2), *(submission(f"n{i}") for i in range(5)))

    assert all(isinstance(error, Unavailable) and error.retry_after == 1 for error in errors)
    assert queue.jobs == []


def test_a_journal_that_hangs_refuses_within_its_deadline_whoever_waits(journal, queue):
    journal.hangs = 10
    begun = time.monotonic()
    errors = together(
        intake(journal, queue, members=2, timeout=0.1), *(submission(f"n{i}") for i in range(9))
    )

    assert time.monotonic() - begun < 0.5
    assert all(isinstance(error, Unavailable) for error in errors)


def test_after_an_outage_the_intake_goes_on(journal, queue):
    taking = intake(journal, queue)
    journal.away = True
    together(taking, submission("lost"))
    journal.away = False

    assert together(taking, submission("kept")) == [Verdict.STORED]


def test_a_fault_of_ours_answers_its_group_and_stops_nobody_else(queue):
    calls = []

    def broken(submissions):
        calls.append(len(submissions))
        if len(calls) == 1:
            raise ZeroDivisionError
        return FakeJournal().accept(submissions)

    taking = Intake(broken, queue.enqueue, GroupLimits(members=2))
    verdicts = together(taking, *(submission(f"n{i}") for i in range(4)))

    assert [type(verdict) for verdict in verdicts[:2]] == [Internal, Internal]
    assert verdicts[2:] == [Verdict.STORED, Verdict.STORED]


def test_a_broker_that_is_away_changes_no_answer(journal, queue):
    queue.away = True

    assert together(intake(journal, queue), submission("n")) == [Verdict.STORED]


def test_a_broker_that_hangs_holds_up_no_acceptance(journal, queue):
    queue.hangs = 5
    taking = intake(journal, queue)
    begun = time.monotonic()
    together(taking, submission("a"))
    together(taking, submission("b"))

    assert time.monotonic() - begun < 0.5


def test_what_waited_for_the_broker_goes_into_one_job(journal, queue):
    queue.hangs = 0.05
    taking = intake(journal, queue)
    for name in "abc":
        together(taking, submission(name))

    assert jobs(queue, 3) == [(Queue.NORMAL, ["a"]), (Queue.NORMAL, ["b", "c"])]


def test_too_much_waiting_is_refused_at_once(journal, queue):
    journal.hangs = 0.05
    errors = together(
        intake(journal, queue, waiting_bytes=250), *(submission(f"n{i}", size=100) for i in range(3))
    )

    assert errors[:2] == [Verdict.STORED, Verdict.STORED]
    assert isinstance(errors[2], Unavailable)
