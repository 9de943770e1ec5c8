"""Quotas are charged for whom topics reached, once it is known who that is: once, in full, overdrawn if need be."""

import pytest
from sqlalchemy import update

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol.jobs import Deliver, Send
from shared.redis.limits import quota_buckets
from shared.store import segments, subscriptions
from tests.integration.workers.support import entry, now_ms
from workers.jobs import deliver
from workers.jobs import send as send_job
from workers.outcome import Outcome

CROWD = [f"u{number:02}" for number in range(12)]


@pytest.fixture
def limited(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, quota_key="100/30d", quota_app="20/30d")
    stage.database.run(lambda session: subscriptions.subscribe(session, 1, "news", CROWD, now_ms=now_ms()))
    return stage


def left(deps, sender: str = "key:abcdefgh") -> list[int]:
    """What a sender and the app may still send; asking for more than both have takes nothing."""
    buckets = quota_buckets(
        deps.settings.policy("quota_key"), deps.settings.policy("quota_app"), "main", sender
    )
    return [standing.taken.remaining for standing in deps.limits.take(buckets, cost=1000)]


def send(stage, deps, *entries) -> Outcome:
    return deliver.run(deps, Deliver(ids=stage.accept(*entries)))


def test_of_topics_all_but_what_the_acceptance_took(limited):
    deps = limited.deps()
    first = entry(topics=("news",))
    assert (
        send(limited, deps, first, entry("zoe", "u01", topics=("news",)), entry("ana", "bob")) is Outcome.DONE
    )
    # 12 less 1, and 13 less 2: the app had but 20, and owes the rest.
    assert left(deps) == [78, 0]
    assert left(deps, "key:ihgfedcb") == [100, 0]

    # The same job once more, as after a death before the journal was cleared.
    assert send(limited, deps, first) is Outcome.DONE
    assert left(deps) == [78, 0]


def test_named_users_and_everyone_cost_no_call(limited, monkeypatch):
    deps = limited.deps()
    monkeypatch.setattr(type(deps.limits), "charge", None)
    assert (
        send(limited, deps, entry("ana", "bob"), entry(everyone=True), entry(topics=("nobody",)))
        is Outcome.DONE
    )
    assert left(deps) == [100, 20]


def test_big_audiences_in_pages_count_whole(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, quota_key="100/30d", quota_app="20/30d", page_size="5")
    stage.database.run(lambda session: subscriptions.subscribe(session, 1, "news", CROWD, now_ms=now_ms()))
    deps = stage.deps()
    send(stage, deps, entry(topics=("news",)))
    assert left(deps) == [89, 9]


def test_a_scheduled_one_is_charged_for_those_it_has_when_it_is_sent(limited):
    deps, now = limited.deps(), now_ms()
    one = entry("zoe", topics=("news",), send_at=now + 3_600_000)
    send(limited, deps, one)
    assert left(deps) == [100, 20]
    early = update(t.notifications).where(t.notifications.c.id == one.id)
    past = {"send_at": to_datetime(now - 1000), "due_at": to_datetime(now - 1000)}
    limited.database.run(lambda session: session.execute(early.values(past)))

    for _ in "ab":
        send_job.run(deps, Send(ids=[one.id]))

    assert left(deps) == [88, 8]


def test_a_segment_is_charged_for_who_is_in_it(limited):
    deps = limited.deps()
    rule = '{"not": {"attribute": "plan", "is": "free"}}'
    limited.database.run(lambda session: segments.put(session, 1, "all", rule, now_ms=now_ms()))
    send(limited, deps, entry(segments=("all",)))
    # The twelve who are known.
    assert left(deps) == [89, 9]
