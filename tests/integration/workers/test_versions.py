"""An api of the next version beside these workers: its entries stay for a worker that can read them."""

import orjson

from shared.protocol import journal
from shared.protocol.jobs import Deliver, Reconcile
from shared.store import subscriptions
from tests.integration.workers.support import entry, now_ms
from workers.jobs import deliver, reconcile
from workers.outcome import Outcome


def head(one):
    """The first line of an entry."""
    return orjson.loads(one.encode().partition(b"\n")[0])


def newer(one):
    """The entry as a version that we do not know would write it."""
    return orjson.dumps({**head(one), "v": 4, "data": {"packed": "x"}})


def test_an_entry_of_a_newer_version_stays_unblamed_and_is_offered_again(stage):
    deps, good, strange = stage.deps(), entry("ana"), entry("ana")
    ids = stage.accept(good, strange, first_look_in_ms=0)
    stage.client.hset("journal", strange.id, newer(strange))

    assert deliver.run(deps, Deliver(ids=ids)) is Outcome.DONE
    assert deliver.run(deps, Deliver(ids=[strange.id])) is Outcome.NOTHING

    assert stage.published([good.id])
    assert stage.client.hkeys("journal") == [strange.id.encode()]
    assert stage.journal.failures([strange.id]) == [0]
    assert stage.journal.dead() == []
    # The reconciler goes on offering it, to whoever consumes by then.
    stage.client.zadd("journal:due", {f"n:{strange.id}": 1}, xx=True)
    assert reconcile.run(deps, Reconcile()) is Outcome.DONE
    [(member, due)] = stage.client.zrange("journal:due", 0, -1, withscores=True)
    assert member.decode().endswith(strange.id)
    assert now_ms() < due <= now_ms() + 60_000


def test_a_worker_that_can_read_it_takes_it_then(stage):
    deps, strange = stage.deps(), entry("ana")
    [id] = stage.accept(strange)
    stage.client.hset("journal", id, newer(strange))
    deliver.run(deps, Deliver(ids=[id]))

    # The newer worker: for it this is an entry as any other.
    stage.client.hset("journal", id, strange.encode())

    assert deliver.run(deps, Deliver(ids=[id], rescue=True)) is Outcome.DONE
    assert stage.published([id])


def test_a_worker_from_before_topics_leaves_those_to_a_newer_one(stage, monkeypatch):
    deps = stage.deps()
    stage.database.run(lambda session: subscriptions.subscribe(session, 1, "a", ["ana"], now_ms=now_ms()))
    named, by_topic, less = entry("ana"), entry("bob", topics=("a",)), entry("ana", exclude_topics=("a",))
    ids = stage.accept(named, by_topic, less)
    with monkeypatch.context() as older:
        older.setattr(journal, "TOPICS_VERSION", None)

        assert deliver.run(deps, Deliver(ids=ids)) is Outcome.DONE

    assert stage.published([named.id])
    assert sorted(stage.client.hkeys("journal")) == sorted([by_topic.id.encode(), less.id.encode()])
    assert stage.journal.failures([by_topic.id, less.id]) == [0, 0]

    assert deliver.run(deps, Deliver(ids=ids, rescue=True)) is Outcome.DONE
    assert stage.published(ids)
    assert [stage.notification(id).recipients for id in ids] == [1, 2, 0]
    assert stage.client.hkeys("journal") == []


def test_what_a_newer_api_adds_to_an_entry_does_not_stop_this_worker(stage):
    one = entry("ana")
    [id] = stage.accept(one)
    stage.client.hset("journal", id, orjson.dumps({**head(one), "colour": "red"}) + b"\n{}")

    assert deliver.run(stage.deps(), Deliver(ids=[id])) is Outcome.DONE
    assert stage.published([id])
