"""The journal's script takes limits along: of requests, of recipients, with idempotency, and what a refusal leaves."""

import pytest
import redis

from shared.domain.gcra import Policy
from shared.redis.journal import Accepted, Bounds, Journal, Submission, Verdict
from shared.redis.limits import Bucket, Demand, Limits
from tests.integration.redis.test_journal import make_entry

BOUNDS = Bounds(entries=10_000, bytes=10_000_000)
NOW = 1_790_000_000_000_000
HOUR = 3_600_000
KEY = Bucket("key", Policy(2, HOUR), "abc")
SENDER = Bucket("key-quota", Policy(5, HOUR), "main key:abc")
APP = Bucket("app-quota", Policy(8, HOUR), "main")
NO = ('{"error":"sender"}', '{"error":"app %1"}')


def uuid(number: int) -> str:
    return f"0199aaaa-0000-7000-8000-{number:012d}"


def asked(
    *costs: int, first: int = 1, requests=(), quotas=(SENDER, APP), key: str = "", fingerprint: str = "ab"
) -> Submission:
    entries = [make_entry(uuid(first + number)) for number in range(len(costs))]
    items = ",".join(f'{{"id":"{entry.id}","status":"accepted"}}' for entry in entries)
    answer = f'{{"items":[{items}]}}'
    demand = Demand(
        tuple(requests), tuple(quotas), costs if quotas else (), NO[: len(quotas)] if len(costs) > 1 else ()
    )
    idempotency = (key, fingerprint, answer) if key else None
    return Submission(entries, [entry.encode() for entry in entries], idempotency, demand, answer)


@pytest.fixture
def journal(client: redis.Redis) -> Journal:
    return Journal(client)


def accept(journal: Journal, *submissions: Submission, bounds: Bounds = BOUNDS) -> list[Accepted]:
    return journal.accept(submissions, now_ms=0, bounds=bounds, at_us=NOW)


def verdicts(journal: Journal, *submissions: Submission) -> list[Verdict]:
    return [accepted.verdict for accepted in accept(journal, *submissions)]


def kept(client: redis.Redis) -> list[int]:
    return sorted(int(id[-12:]) for id in client.hkeys("journal"))


def left(client: redis.Redis, bucket: Bucket) -> int:
    return Limits(client).take([bucket], cost=10**6, at_us=NOW)[0].taken.remaining


def test_of_requests_that_come_together_as_many_as_the_limit_allows(client, journal):
    group = [asked(1, first=number, requests=[KEY], quotas=()) for number in (1, 2, 3)]
    other = asked(1, first=4, requests=[KEY._replace(subject="xyz")], quotas=())
    free = Submission([make_entry(uuid(5))], [make_entry(uuid(5)).encode()])

    found = accept(journal, *group, other, free)

    assert [one.verdict for one in found] == ["stored", "stored", "limited", "stored", "stored"]
    assert [one.taken[0].remaining for one in found[:4]] == [1, 0, 0, 1]
    assert found[2].taken[0].retry == HOUR * 1000 // 2
    assert found[4].taken == ()
    assert kept(client) == [1, 2, 4, 5]
    assert 0 < client.pttl(KEY.key) <= HOUR


def test_entries_are_judged_one_by_one_and_the_answer_says_which(client, journal):
    [found] = accept(journal, asked(3, 4, 1, 1, 1))

    assert found.verdict is Verdict.STORED
    assert found.refused == {1, 4}
    assert kept(client) == [1, 3, 4]
    assert found.answer is not None
    assert found.answer.count('"accepted"') == 3
    assert f'{{"id":"{uuid(1)}","status":"accepted"}},{NO[0]},{{"id":"{uuid(3)}"' in found.answer


def test_both_quotas_must_have_room_and_what_one_refuses_takes_nothing_of_the_other(client, journal):
    second = SENDER._replace(subject="main key:xyz")
    assert accept(journal, asked(5))[0].verdict is Verdict.STORED

    [found] = accept(journal, asked(4, 2, 1, first=2, quotas=(second, APP)))

    assert found.refused == {0}
    assert NO[1] in (found.answer or "")
    assert (left(client, second), left(client, APP)) == (2, 0)
    assert kept(client) == [1, 3, 4]


def test_where_nothing_passes_the_request_is_refused_and_may_be_repeated(client, journal):
    accept(journal, asked(5))
    [found] = accept(journal, asked(1, 2, first=2, key="d1"))

    assert (found.verdict, found.answer) == (Verdict.LIMITED, None)
    assert [one.allowed for one in found.taken] == [False, True]
    assert found.taken[0].retry == HOUR * 1000 // 5
    assert kept(client) == [1]
    assert not client.exists("idempotency:d1")
    assert left(client, APP) == 3


def test_a_repetition_takes_a_request_and_no_recipients_and_repeats_the_answer(client, journal):
    one = asked(3, 3, 2, requests=[KEY], key="d1")
    [first] = accept(journal, one)
    [again] = accept(journal, one)

    assert (first.verdict, first.refused) == (Verdict.STORED, {1})
    assert (again.verdict, again.answer) == (Verdict.REPLAYED, first.answer)
    assert left(client, SENDER) == 0
    assert (left(client, APP), left(client, KEY)) == (3, 0)
    assert verdicts(journal, one) == [Verdict.LIMITED]


def test_another_body_under_the_same_key_takes_no_recipients(client, journal):
    accept(journal, asked(1, key="d1"))
    assert verdicts(journal, asked(1, first=2, key="d1", fingerprint="cd")) == [Verdict.MISMATCH]
    assert left(client, SENDER) == 4


def test_a_full_journal_takes_no_recipients(client, journal):
    [found] = accept(journal, asked(1, 1), bounds=Bounds(entries=1, bytes=10_000))
    assert found.verdict is Verdict.FULL
    assert (left(client, SENDER), kept(client)) == (5, [])


def test_a_batch_without_a_good_entry_is_kept_under_its_key(client, journal):
    one = asked(key="d1", requests=[KEY])
    assert verdicts(journal, one, one) == [Verdict.STORED, Verdict.REPLAYED]


def test_a_thousand_entries_of_which_most_are_refused(client, journal):
    [found] = accept(journal, asked(*[1] * 1000))
    assert len(found.refused) == 995
    assert kept(client) == [1, 2, 3, 4, 5]
    assert (found.answer or "").count(NO[0]) == 995
