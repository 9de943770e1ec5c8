"""From a socket into the journal: together, within bounds, and every client hears something."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import pytest

from shared.clock import SystemClock
from shared.domain.gcra import Policy, Taken
from shared.protocol.jobs import Deliver, Queue
from shared.redis.client import RedisUnavailable
from shared.redis.journal import Accepted, Submission, Verdict
from wsnode import submitting as module
from wsnode.drafts import ANYBODY, NAMED, Limits
from wsnode.messages import Send, Waiting
from wsnode.submitting import Policies, Submitting

GOOD = {"to": {"users": ["bob"]}, "event": "chat", "data": {"a": 1}, "type": "send", "ref": 1}


class Peer:
    """A connection that keeps its answers."""

    def __init__(self, *scopes: str) -> None:
        self.name, self.app, self.user = "n1.a", "main", "ana"
        self.scopes = frozenset(scopes or (NAMED,))
        self.answers: list[dict[str, Any]] = []

    def reply(self, ref: Any, doc: dict[str, Any], *, of: Any = None) -> None:
        assert of is not None and of.ref == ref == doc["ref"]
        self.answers.append(doc)


class Stage:
    """Submitting before a journal that answers with `verdict`, and the jobs it asks for."""

    def __init__(self, policies: Policies | None = None) -> None:
        self.groups: list[Sequence[Submission]] = []
        self.verdict: Callable[[Submission], Accepted] = lambda _: Accepted(Verdict.STORED)
        self.error: Exception | None = None
        self.hangs = 0.0
        self.jobs: list[tuple[Deliver, Queue]] = []
        self.clock = SystemClock()
        self.part = Submitting(
            self.commit,
            self,  # type: ignore[arg-type]
            policies or Policies(),
            Limits(60, 600, 1000),
            self.clock,
            timeout=0.2,
        )
        self.greenlets = self.part.start()

    def commit(self, submissions: Sequence[Submission]) -> list[Accepted]:
        gevent.sleep(self.hangs)
        self.groups.append(submissions)
        if self.error is not None:
            raise self.error
        return [self.verdict(one) for one in submissions]

    def put(self, args: Deliver, failed: Callable[[], None], *, queue: Queue) -> None:
        self.jobs.append((args, queue))

    def send(self, peer: Peer, ref: int = 1, *, published: bool = False, **changes: Any) -> None:
        self.part.send(peer, Send({**GOOD, **changes}, ref, None, published), Waiting(ref))  # type: ignore[arg-type]

    def settle(self) -> None:
        """Let the writer run until it waits."""
        gevent.sleep(0.01)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    gevent.killall(made.greenlets)


def test_what_comes_together_is_written_together_and_answered_each(stage: Stage):
    one, other = Peer(), Peer(ANYBODY)
    stage.send(one)
    stage.send(other, 2, priority="critical")
    stage.send(one, 3)
    stage.settle()
    [group] = stage.groups
    ids = [submission.entries[0].id for submission in group]
    assert [answer["result"] for answer in (one.answers[0], other.answers[0], one.answers[1])] == [
        {"id": id, "status": "accepted"} for id in ids
    ]
    assert {(tuple(job.ids), queue) for job, queue in stage.jobs} == {
        ((ids[0], ids[2]), Queue.NORMAL),
        ((ids[1],), Queue.CRITICAL),
    }
    assert len({submission.entries[0].request_id for submission in group}) == 3


def test_what_is_wrong_is_answered_and_never_written(stage: Stage):
    peer = Peer("inbox:read")
    stage.send(peer)
    stage.settle()
    assert [(answer["code"], answer["retryable"]) for answer in peer.answers] == [("forbidden", False)]
    assert stage.groups == []


def test_who_waits_until_it_is_published_stands_in_the_entry_and_hears_at_the_latest_after_its_time(
    stage: Stage,
):
    peer = Peer()
    stage.send(peer, 7, published=True)
    stage.settle()
    assert stage.groups[0][0].entries[0].reply_to == ("n1.a", 7)
    assert peer.answers == []
    now = stage.clock.monotonic()
    stage.part.sweep(now + 4)
    assert peer.answers == []
    stage.part.sweep(now + 6)
    assert [answer["code"] for answer in peer.answers] == ["timeout"]


def test_while_redis_is_away_each_is_told_to_come_back(stage: Stage):
    stage.error = RedisUnavailable("away", retry_after=1)
    peer = Peer()
    stage.send(peer)
    stage.send(peer, 2)
    stage.settle()
    assert [(a["code"], a["retryable"], a["retry_after"]) for a in peer.answers] == [
        ("unavailable", True, 1)
    ] * 2
    assert stage.jobs == []
    stage.error = None
    stage.send(peer, 3)
    stage.settle()
    assert peer.answers[-1]["result"]["status"] == "accepted"


def test_a_journal_that_hangs_costs_its_time_once_whoever_waits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "GROUP_MAX", 1)
    stage.hangs = 5
    peer = Peer()
    for ref in range(5):
        stage.send(peer, ref)
    with gevent.Timeout(2):
        while len(peer.answers) < 5:
            gevent.sleep(0.01)
    assert {answer["code"] for answer in peer.answers} == {"unavailable"}


def test_a_fault_of_ours_is_answered_and_the_writer_goes_on(stage: Stage):
    stage.error = RuntimeError("boom")
    peer = Peer()
    stage.send(peer)
    stage.settle()
    assert [(answer["code"], answer["retryable"]) for answer in peer.answers] == [("internal", True)]
    stage.error = None
    stage.send(peer, 2)
    stage.settle()
    assert len(peer.answers) == 2


def test_what_waits_is_bounded_in_number_and_in_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    peer = Peer()
    for ref in range(4):
        stage.send(peer, ref)
    assert [answer["ref"] for answer in peer.answers] == [2, 3]
    stage.settle()
    monkeypatch.setattr(module, "WAITING_BYTES", 10)
    stage.send(peer, 9)
    assert peer.answers[-1]["code"] == "unavailable"


def test_a_group_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GROUP_MAX", 2)
    for ref in range(5):
        stage.send(Peer(), ref)
    stage.settle()
    assert [len(group) for group in stage.groups] == [2, 2, 1]


def test_a_repetition_gets_the_answer_of_the_first(stage: Stage):
    stage.verdict = lambda one: Accepted(Verdict.REPLAYED, '{"id":"first","status":"accepted"}')
    peer = Peer()
    stage.send(peer, key="k")
    stage.settle()
    assert peer.answers[0]["result"] == {"id": "first", "status": "accepted"}
    assert stage.jobs == []


def test_the_same_key_and_words_are_one_place_whatever_their_ref(stage: Stage):
    for ref, key in ((1, "k"), (2, "k"), (3, "other")):
        stage.send(Peer(), ref, key=key)
    stage.send(Peer(), 4, key="k", event="else")
    stage.settle()
    places = [one.idempotency[:2] for one in stage.groups[0] if one.idempotency]
    assert places[0] == places[1]
    assert places[2][0] != places[0][0]
    assert places[3][0] == places[0][0] and places[3][1] != places[0][1]


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.MISMATCH, "idempotency_mismatch"), (Verdict.FULL, "unavailable")]
)
def test_what_the_journal_refuses(stage: Stage, verdict: Verdict, code: str):
    stage.verdict = lambda _: Accepted(verdict)
    peer = Peer()
    stage.send(peer)
    stage.settle()
    assert peer.answers[0]["code"] == code


def test_limits_and_quotas_of_the_user_go_along():
    policy = Policy(2, 1000)
    stage = Stage(Policies(policy, policy, policy))
    stage.verdict = lambda _: Accepted(
        Verdict.LIMITED, taken=(Taken(False, 0, 500_000, 0, 0),) + (Taken(True, 0, None, 1, 0),) * 2
    )
    peer = Peer()
    stage.send(peer)
    stage.send(peer, 2, to={"users": ["a", "b", "c"]})
    stage.settle()
    assert [answer["code"] for answer in peer.answers] == ["invalid_request", "too_many_requests"]
    assert peer.answers[1]["retryable"] and peer.answers[1]["retry_after"] == 1
    demand = stage.groups[0][0].demand
    assert demand is not None
    assert [bucket.name for bucket in demand.buckets] == ["user", "key-quota", "app-quota"]
    assert [bucket.subject for bucket in demand.buckets] == ["main ana", "main user:ana", "main"]
    gevent.killall(stage.greenlets)


def test_it_is_idle_when_all_that_was_taken_is_answered(stage: Stage):
    assert stage.part.idle()
    stage.hangs = 0.05
    stage.send(Peer())
    assert not stage.part.idle()
    gevent.sleep(0.01)
    assert not stage.part.idle(), "it is being written"
    gevent.sleep(0.1)
    assert stage.part.idle() and len(stage.jobs) == 1
