"""The journal is the record of what was accepted: bounded, idempotent, claimed once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.protocol.jobs import Queue
from shared.protocol.journal import Entry
from shared.redis.client import RedisUnavailable, connect
from shared.redis.journal import Accepted, Bounds, Journal, Retried, Submission, Verdict

BOUNDS = Bounds(entries=10, bytes=10_000)


def make_entry(id: str, priority: str = "normal") -> Entry:
    return Entry(
        id=id,
        app="main",
        accepted_at=1,
        expires_at=2,
        request_id="r",
        sender="k",
        priority=priority,
        users=("ana",),
        everyone=False,
        exclude=(),
        event="x",
        data_json="{}",
        ttl=1,
    )


def submit(*ids: str, key: tuple[str, str, str] | None = None, priority: str = "normal") -> Submission:
    entries = [make_entry(id, priority) for id in ids]
    return Submission(entries, [entry.encode() for entry in entries], key)


def test_what_was_accepted_can_be_read_until_it_is_done(client):
    journal = Journal(client)

    assert journal.accept([submit("a", "b")], now_ms=0, bounds=BOUNDS) == [Accepted(Verdict.STORED)]

    raw = journal.raw(["a", "zz", "b"])
    assert [r and Entry.decode(r).id for r in raw] == ["a", None, "b"]
    assert journal.done(["a", "zz"]) == 1
    assert journal.done(["a"]) == 0
    assert journal.raw(["a"]) == [None]
    assert journal.depth()[0] == 1


def take(
    journal: Journal, *ids: str, members: int = 9, bytes: int = 10_000, anyhow: bool = False
) -> list[str]:
    """The ids that a job with `ids` gets one second after acceptance."""
    found = journal.take(ids, now_ms=1_000, members_max=members, bytes_max=bytes, anyhow=anyhow).entries
    assert all(Entry.decode(raw).id == id for id, raw in found)
    return [id for id, _ in found]


def test_a_job_takes_along_what_else_of_its_priority_waits_the_oldest_first(client):
    journal = Journal(client)
    journal.accept([submit("d", "e")], now_ms=2, bounds=BOUNDS)
    journal.accept([submit("b", "c")], now_ms=1, bounds=BOUNDS)
    journal.accept([submit("a")], now_ms=3, bounds=BOUNDS)
    for priority in ("critical", "bulk"):
        journal.accept([submit(priority[0], priority=priority)], now_ms=0, bounds=BOUNDS)

    assert take(journal, "a", members=4) == ["a", "b", "c", "d"]
    assert take(journal, "e") == ["e"]


def test_what_one_job_has_taken_no_other_job_gets_unless_it_asks_for_just_that(client):
    journal = Journal(client)
    journal.accept([submit("a", "b", "c")], now_ms=0, bounds=BOUNDS)
    assert take(journal, "a", members=2) == ["a", "b"]

    assert take(journal, "b") == []
    assert take(journal, "a", "b", anyhow=True) == ["a", "b"]
    assert take(journal, "gone", "b", "c", anyhow=True) == ["b", "c"]
    assert take(journal, "c") == []


def test_what_is_taken_along_stays_within_the_bytes_of_a_group(client):
    journal = Journal(client)
    journal.accept([submit("a", "b", "c", "d")], now_ms=0, bounds=BOUNDS)
    size = len(make_entry("a").encode())

    assert take(journal, "a", bytes=3 * size) == ["a", "b", "c"]
    # A job's own entries are never left behind.
    journal.accept([submit("e", "f")], now_ms=0, bounds=BOUNDS)
    assert take(journal, "e", "f", bytes=1) == ["e", "f"]


def test_a_job_that_is_too_late_takes_nothing_along(client):
    journal = Journal(client)
    journal.accept([submit("a", "b")], now_ms=0, bounds=BOUNDS)
    journal.take(["a"], now_ms=0, members_max=1, bytes_max=10_000, anyhow=False)

    assert take(journal, "a") == []
    assert take(journal, "b") == ["b"]


def test_the_reconciler_looks_at_what_was_taken_as_long_after_it_as_after_its_acceptance(client):
    journal = Journal(client)
    journal.accept([submit("a", "b", "c")], now_ms=0, bounds=BOUNDS)
    journal.take(["a"], now_ms=9_000, members_max=2, bytes_max=10_000, anyhow=False)

    assert journal.due(now_ms=15_000, limit=9) == [("c", Queue.NORMAL)]
    assert journal.due(now_ms=23_999, limit=9) == []
    assert sorted(journal.due(now_ms=24_000, limit=9)) == [("a", Queue.NORMAL), ("b", Queue.NORMAL)]


def test_being_taken_does_not_bring_a_later_look_forward(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)
    journal.fail("a", "normal", next_look_ms=90_000)

    assert take(journal, "a") == ["a"]
    assert journal.due(now_ms=89_999, limit=9) == []


def test_two_jobs_at_once_never_get_the_same_entry(client):
    journal = Journal(client)
    ids = [f"{number:02}" for number in range(40)]
    for id in ids:
        journal.accept([submit(id)], now_ms=0, bounds=Bounds(entries=100, bytes=1_000_000))

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda one: take(journal, one, members=7), ids))

    assert sorted(id for one in taken for id in one) == ids


def test_a_retried_entry_waits_for_a_job_again(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)
    take(journal, "a")
    journal.bury("a", "broken")
    journal.retry(make_entry("a"), now_ms=20_000, bounds=BOUNDS)

    assert take(journal, "a") == ["a"]


def test_nothing_waits_for_a_job_once_all_is_taken(client):
    journal = Journal(client)
    journal.accept([submit("a", "b"), submit("c", priority="bulk")], now_ms=0, bounds=BOUNDS)
    take(journal, "a", "b", anyhow=True)
    take(journal, "c")
    journal.done(["a", "b", "c"])

    assert not [key for key in client.scan_iter() if key.startswith(b"journal:waiting")]


def test_bytes_in_the_journal_go_up_and_down_with_its_entries(client):
    journal = Journal(client)
    one = submit("a")

    journal.accept([one, submit("b")], now_ms=0, bounds=BOUNDS)
    journal.accept([one], now_ms=0, bounds=BOUNDS)
    journal.done(["b"])

    entries, size = journal.depth()
    assert entries == 1
    assert size >= len(one.encoded[0])
    journal.done(["a"])
    assert journal.depth()[0] == 0


def test_a_repeated_key_gets_the_first_answer_and_stores_nothing(client):
    journal = Journal(client)
    first = submit("a", key=("d1", "ab", '{"id":"a"}'))
    again = submit("b", key=("d1", "ab", '{"id":"b"}'))

    assert journal.accept([first], now_ms=0, bounds=BOUNDS) == [Accepted(Verdict.STORED)]
    assert journal.accept([again], now_ms=0, bounds=BOUNDS) == [Accepted(Verdict.REPLAYED, '{"id":"a"}')]
    assert journal.raw(["b"]) == [None]


def test_a_repeated_key_inside_one_group_counts_too(client):
    journal = Journal(client)
    group = [submit(id, key=("d1", "ab", id)) for id in "abc"]

    verdicts = journal.accept(group, now_ms=0, bounds=BOUNDS)

    assert verdicts == [
        Accepted(Verdict.STORED),
        Accepted(Verdict.REPLAYED, "a"),
        Accepted(Verdict.REPLAYED, "a"),
    ]
    assert journal.depth()[0] == 1


def test_a_key_with_another_body_is_refused(client):
    journal = Journal(client)
    journal.accept([submit("a", key=("d1", "ab", "x"))], now_ms=0, bounds=BOUNDS)

    assert journal.accept([submit("b", key=("d1", "cd", "x"))], now_ms=0, bounds=BOUNDS) == [
        Accepted(Verdict.MISMATCH)
    ]


def test_a_full_journal_takes_a_request_whole_or_not_at_all(client):
    journal = Journal(client)
    nine = submit(*"abcdefghi")

    verdicts = journal.accept([nine, submit("j", "k"), submit("l")], now_ms=0, bounds=BOUNDS)

    assert [v.verdict for v in verdicts] == [Verdict.STORED, Verdict.FULL, Verdict.STORED]
    assert journal.raw(["j", "k"]) == [None, None]
    assert journal.depth()[0] == 10


def test_a_journal_full_by_bytes_refuses_and_keeps_no_idempotency_record(client):
    journal = Journal(client)
    tight = Bounds(entries=10, bytes=100)

    refused = submit("a", key=("d1", "ab", "x"))

    assert journal.accept([refused], now_ms=0, bounds=tight) == [Accepted(Verdict.FULL)]
    assert journal.accept([refused], now_ms=0, bounds=BOUNDS) == [Accepted(Verdict.STORED)]


def test_entries_are_claimed_at_15_30_60_up_to_300_seconds(client):
    journal = Journal(client)
    journal.accept([submit("a", priority="bulk")], now_ms=0, bounds=BOUNDS)

    looks = [ms for ms in range(0, 1_300_000, 1_000) if journal.due(now_ms=ms, limit=10)]

    assert [b - a for a, b in zip([0, *looks], looks, strict=False)] == [
        15_000,
        30_000,
        60_000,
        120_000,
        240_000,
        300_000,
        300_000,
    ]


def test_two_reconcilers_never_claim_the_same_entry(client):
    journal = Journal(client)
    journal.accept([submit(*"abcdefghij")], now_ms=0, bounds=BOUNDS)

    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: journal.due(now_ms=15_000, limit=3), range(8)))

    claimed = [id for claim in claims for id, _ in claim]
    assert sorted(claimed) == list("abcdefghij")


def test_a_claim_tells_the_queue_of_the_priority(client):
    journal = Journal(client)
    for id, priority in (("a", "critical"), ("b", "normal"), ("c", "bulk")):
        journal.accept([submit(id, priority=priority)], now_ms=0, bounds=BOUNDS)

    assert sorted(journal.due(now_ms=15_000, limit=9)) == [
        ("a", Queue.CRITICAL),
        ("b", Queue.NORMAL),
        ("c", Queue.BULK),
    ]


def test_a_failure_is_counted_and_puts_the_next_look_later(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)

    assert journal.fail("a", "normal", next_look_ms=90_000) == 1
    assert journal.fail("a", "normal", next_look_ms=90_000) == 2
    assert journal.due(now_ms=89_999, limit=9) == []
    assert journal.due(now_ms=90_000, limit=9) == [("a", Queue.NORMAL)]
    assert journal.fail("gone", "normal", next_look_ms=1) == 0


def test_redis_away_is_one_clear_error():
    journal = Journal(connect("redis://127.0.0.1:1/0", timeout=0.3))

    with pytest.raises(RedisUnavailable) as caught:
        journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)

    assert caught.value.status == 503
    assert caught.value.retry_after


def test_scripts_are_loaded_again_when_redis_forgot_them(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)
    client.script_flush()

    assert journal.done(["a"]) == 1


def test_a_buried_entry_that_is_retried_is_in_the_journal_once_and_due_again(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)
    before = journal.depth()
    journal.bury("a", "too odd")
    assert (journal.dead(), journal.depth()) == (["a"], (0, 0))

    entry = make_entry("a")
    assert journal.retry(entry, now_ms=0, bounds=BOUNDS) is Retried.STORED
    assert journal.retry(entry, now_ms=0, bounds=BOUNDS) is Retried.WAITING

    assert (journal.dead(), journal.depth()) == ([], before)
    assert journal.due(now_ms=15_000, limit=9) == [("a", Queue.NORMAL)]


def test_a_retry_keeps_to_the_bounds_and_leaves_the_dead_list_alone(client):
    journal = Journal(client)
    journal.accept([submit("a")], now_ms=0, bounds=BOUNDS)
    journal.bury("a", "too odd")

    for bounds in (Bounds(entries=0, bytes=10_000), Bounds(entries=10, bytes=20)):
        assert journal.retry(make_entry("a"), now_ms=0, bounds=bounds) is Retried.FULL
    found = journal.buried_of(["zz", "a"])
    assert found[0] is None
    assert found[1] == ("too odd", make_entry("a").encode())
    assert journal.depth() == (0, 0)
