"""A notification for topics, from the journal to the nodes of all who are subscribed."""

from dataclasses import replace

import pytest

from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Page
from shared.redis.journal import Retried
from shared.store import apps, dead_letters, notifications, subscriptions
from tests.integration.store.poison import NAME, poisoned
from tests.integration.workers.support import BOUNDS, entry, eventually, now_ms
from workers.jobs import deliver, page
from workers.outcome import Outcome

CROWD = [f"u{number:02}" for number in range(12)]


def subscribe(stage, pattern, *users):
    return stage.database.run(
        lambda session: subscriptions.subscribe(session, 1, pattern, users, now_ms=now_ms())
    )


def unsubscribe(stage, pattern, *users):
    return stage.database.run(lambda session: subscriptions.unsubscribe(session, 1, pattern, users))


def told(stage):
    """Users whose node got a frame, as often as it did."""
    return sorted(item[0] for one in stage.node.of(envelope.Frames) for item in one.items)


def test_subscribers_and_named_users_get_it_through_a_real_worker(stage):
    stage.worker()
    subscribe(stage, "project/42/#", "ana", "bob", "cyd")
    subscribe(stage, "project/42/build", "ana")
    subscribe(stage, "quiet", "cyd")
    stage.node.hold("ana", "bob", "cyd", "dan")

    group = [
        entry("dan", "ana", topics=("project/42/build",), exclude_topics=("quiet",)),
        entry(topics=("project/7",)),
        entry("bob"),
    ]
    ids = stage.post(*group)

    eventually(lambda: stage.published(ids))
    eventually(lambda: told(stage) == ["ana", "bob", "bob", "dan"])
    assert [stage.notification(id).status for id in ids] == ["sent"] * 3
    assert [stage.notification(id).recipients for id in ids] == [3, 0, 1]
    assert stage.journal.depth() == (0, 0)


def test_a_big_topic_goes_out_in_pages_through_a_real_worker(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, page_size="5")
    stage.worker()
    subscribe(stage, "news/#", *CROWD)
    stage.node.hold(*CROWD, "new")

    [id] = stage.post(entry("new", topics=("news/today",)))

    eventually(lambda: stage.published([id]))
    eventually(lambda: told(stage) == ["new", *CROWD])
    assert stage.notification(id).recipients == 13
    assert [row.names for row in stage.rows(t.pages)] == [None] * 3
    assert {row.last_seq for row in stage.rows(t.streams)} == {1}


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_death_before_the_pages_costs_nobody_the_notification(make_stage, redis_url, request, kind):
    stage = make_stage(redis_url, request.getfixturevalue(kind), page_size="5")
    deps = stage.deps()
    subscribe(stage, "news", *CROWD)
    stage.node.hold(*CROWD, "late")
    one = entry(topics=("news",))
    stage.accept(one)
    assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.DONE
    assert page.run(deps, Page(id=one.id, number=1)) is Outcome.DONE
    # The journal entry was not cleared: the worker died, and its copy comes when others are subscribed.
    stage.accept(one)
    unsubscribe(stage, "news", *CROWD)
    subscribe(stage, "news", "late")

    assert deliver.run(deps, Deliver(ids=[one.id], rescue=True)) is Outcome.DONE
    outcomes = [page.run(deps, Page(id=one.id, number=number)) for number in range(3)]

    assert outcomes == [Outcome.DONE, Outcome.NOTHING, Outcome.DONE]
    assert told(stage) == CROWD
    assert stage.published([one.id])
    assert stage.notification(one.id).recipients == 12


def test_a_transaction_stays_bounded_however_many_a_topic_brings(
    make_stage, redis_url, postgresql, monkeypatch
):
    stage = make_stage(redis_url, postgresql, page_size="10")
    monkeypatch.setattr(deliver, "NAMES_MAX", 20)
    sizes = []
    storing = deliver.store_group

    def store_group(session, entries, **options):
        stored = storing(session, entries, **options)
        sizes.append(sum(len(frames.items) for frames in stored.frames))
        return stored

    monkeypatch.setattr(deliver, "store_group", store_group)
    subscribe(stage, "news", *CROWD[:10])
    ids = stage.accept(*(entry(topics=("news",)) for _ in range(7)))

    assert deliver.run(stage.deps(), Deliver(ids=ids)) is Outcome.DONE

    assert sum(sizes) == 70
    assert max(sizes) <= 20


def test_one_that_failed_is_sent_again_to_whoever_is_subscribed_by_then(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, attempts_max="1")
    deps = stage.deps()
    subscribe(stage, "news/#", "ana", "bob", "cyd")
    stage.node.hold("ana", "bob", "cyd", "dan")
    one = entry(NAME, topics=("news/today",), exclude=("cyd",), exclude_topics=("quiet",))
    stage.accept(one)
    with poisoned(stage.database):
        assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.PARTLY
    assert stage.notification(one.id).status == "failed"
    assert stage.journal.depth() == (0, 0)
    subscribe(stage, "news/today", "dan")
    subscribe(stage, "quiet", "bob")

    with stage.database.session() as session:
        row = notifications.find(session, apps.require(session, "main").id, one.id)
        again = replace(dead_letters.entry_of(session, "main", row), retried=True)
    assert replace(again, retried=False) == one
    assert stage.journal.retry(again, now_ms=now_ms(), bounds=BOUNDS) is Retried.STORED
    assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.DONE

    assert told(stage) == ["ana", "dan"]
    found = stage.notification(one.id)
    assert (found.status, found.recipients) == ("sent", 3)
