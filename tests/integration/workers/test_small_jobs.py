"""receipts, mark, replay, sync, expire: one job each, run inside the test on a real database and Redis."""

import json

import pytest

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Expire, Mark, Receipts, Replay, Sync
from shared.redis.streams import Since
from tests.integration.workers.support import entry, eventually, now_ms
from workers.jobs import deliver, expire, mark, receipts, replay, sync
from workers.outcome import Outcome


@pytest.fixture
def delivered(stage):
    """Three notifications for ana, one to everyone."""
    ids = stage.accept(*(entry("ana") for _ in range(3)), entry(everyone=True))
    deliver.run(stage.deps(), Deliver(ids=ids))
    return ids


def test_receipts_bring_merged_acks_into_the_database_and_clear_them(stage, delivered):
    deps = stage.deps()
    deps.acks.merge("main", {"ana": 2, "nobody": 9}, {"ana": 1, "nobody": 9})
    deps.acks.merge("ghost", {"ana": 1}, {})

    assert receipts.run(deps, Receipts()) is Outcome.DONE

    states = {row.seq: row.state for row in stage.rows(t.deliveries)}
    assert states == {1: "delivered", 2: "delivered", 3: "pending"}
    [stream] = stage.rows(t.streams)
    assert (stream.acked, stream.all_acked) == (2, 1)
    assert deps.acks.take(10) == []
    assert receipts.run(deps, Receipts()) is Outcome.NOTHING


def test_more_acks_than_one_take_are_all_drained(stage, delivered, monkeypatch):
    monkeypatch.setattr(receipts, "TAKE", 2)
    deps = stage.deps()
    deps.acks.merge("main", {f"u{number}": 1 for number in range(7)}, {})

    receipts.run(deps, Receipts())

    assert deps.acks.take(10) == []


def mark_args(ids, **changes):
    common = {"app": "main", "user": "ana", "action": "read", "node": "n1", "connection": "c1", "ref": 7}
    return Mark(ids=ids, **{**common, **changes})


def test_a_mark_is_answered_and_told_to_the_users_other_connections(stage, delivered):
    stage.node.hold("ana")
    sync.run(stage.deps(), Sync(app="main", users=["ana"], node="n1"))

    assert mark.run(stage.deps(), mark_args(delivered[:2])) is Outcome.DONE

    eventually(lambda: stage.node.of(envelope.State))
    [reply], [state] = stage.node.of(envelope.Reply), stage.node.of(envelope.State)
    counts = {"total": 4, "unseen": 2, "unread": 2, "archived": 0}
    assert reply.connection == "c1"
    assert json.loads(reply.frame) == {"type": "reply", "ref": 7, "result": {"changed": 2, "counts": counts}}
    assert (state.user, state.except_connection) == ("ana", "c1")
    assert (sorted(state.frame["ids"]), state.frame["counts"]) == (sorted(delivered[:2]), counts)
    assert state.frame["read_at"].endswith("Z")
    [connected] = stage.node.streams.connect("n1", [("main", "ana", Since())])
    assert (connected.counts.unread, connected.rev) == (2, state.frame["rev"])


def test_a_mark_that_changes_nothing_is_answered_and_told_to_nobody(stage, delivered):
    stage.node.hold("ana")
    mark.run(stage.deps(), mark_args(delivered[:1]))

    assert mark.run(stage.deps(), mark_args(delivered[:1], connection="c2")) is Outcome.NOTHING

    eventually(lambda: len(stage.node.of(envelope.Reply)) == 2)
    assert json.loads(stage.node.of(envelope.Reply)[1].frame)["result"]["changed"] == 0
    assert len(stage.node.of(envelope.State)) == 1


def test_a_mark_that_makes_no_sense_is_answered_with_an_error(stage):
    assert mark.run(stage.deps(), mark_args([], action="burn")) is Outcome.REJECTED

    eventually(lambda: stage.node.of(envelope.Reply))
    frame = json.loads(stage.node.of(envelope.Reply)[0].frame)
    assert (frame["type"], frame["ref"], frame["code"], frame["retryable"]) == (
        "error",
        7,
        "invalid_request",
        False,
    )


def test_a_mark_while_the_database_is_away_is_answered_with_a_retryable_error(
    make_stage, redis_url, postgresql
):
    stage = make_stage(redis_url, postgresql)
    deps = stage.deps()
    stage.settings = stage.settings.model_copy(
        update={"database_url": "postgresql+psycopg://postgres@127.0.0.1:1/x"}
    )

    assert mark.run(stage.deps(), mark_args([])) is Outcome.AWAY

    eventually(lambda: stage.node.of(envelope.Reply))
    frame = json.loads(stage.node.of(envelope.Reply)[0].frame)
    assert (frame["code"], frame["retryable"], frame["retry_after"]) == ("unavailable", True, 1)
    assert deps is not None


def test_the_reply_to_a_mark_comes_within_5_seconds_through_a_real_worker(stage, delivered):
    stage.worker()
    stage.node.hold("ana")

    stage.queue.enqueue(mark_args(delivered))

    eventually(lambda: stage.node.of(envelope.Reply), seconds=5)


def test_a_replay_answers_in_bounded_envelopes_the_last_one_marked(stage):
    big = [entry("ana", data_json=f'"{"x" * 100_000}"') for _ in range(5)]
    stage.accept(*big, entry(everyone=True))
    deliver.run(stage.deps(), Deliver(ids=[one.id for one in big]))

    args = Replay(app="main", user="ana", node="n1", connection="c1", attempt=2, me=1, all=0)
    assert replay.run(stage.deps(), args) is Outcome.DONE

    eventually(lambda: (parts := stage.node.of(envelope.ReplayPart)) and parts[-1].last)
    parts = stage.node.of(envelope.ReplayPart)
    frames = [frame for part in parts for frame in part.me_frames]
    assert [(frame.seq, frame.prev) for frame in frames] == [(2, 1), (3, 2), (4, 3), (5, 4)]
    assert [part.last for part in parts] == [False, True]
    assert {(part.connection, part.attempt, part.me, part.recovered) for part in parts} == {
        ("c1", 2, 5, True)
    }
    assert all(len(raw) <= 256 * 1024 + 1024 for raw in stage.node.raw)


def test_a_replay_of_nothing_still_ends(stage):
    args = Replay(app="main", user="new", node="n1", connection="c1", attempt=1, me=None, all=None)

    replay.run(stage.deps(), args)

    eventually(lambda: stage.node.of(envelope.ReplayPart))
    [part] = stage.node.of(envelope.ReplayPart)
    assert (part.last, part.recovered, part.me, part.all, part.me_frames) == (True, True, 0, 0, [])


def test_sync_makes_a_user_known_to_nodes_and_says_so(stage, delivered):
    stage.node.hold("ana")

    assert sync.run(stage.deps(), Sync(app="main", users=["ana"], node="n1")) is Outcome.DONE

    eventually(lambda: stage.node.of(envelope.Synced))
    [connected] = stage.node.streams.connect("n1", [("main", "ana", Since())])
    assert (connected.synced, connected.me_top, connected.all_top) == (True, 3, 1)
    assert connected.counts.total == 4


def test_sync_makes_a_user_that_nobody_wrote_to(stage):
    stage.node.hold("new")

    sync.run(stage.deps(), Sync(app="main", users=["new"], node="n1"))

    [connected] = stage.node.streams.connect("n1", [("main", "new", Since())])
    assert (connected.synced, connected.me_top) == (True, 0)
    assert [row.name for row in stage.rows(t.users)] == ["new"]


def test_a_record_that_cannot_be_read_costs_nobody_else_the_sync(stage):
    users = [f"u{number}" for number in range(9)]
    stage.node.hold(*users)
    stage.client.delete("stream:main:u4")
    stage.client.set("stream:main:u4", "no hash")

    assert sync.run(stage.deps(), Sync(app="main", users=users, node="n1")) is Outcome.PARTLY

    told = {user for one in stage.node.of(envelope.Synced) for user in one.users}
    assert told == set(users) - {"u4"}
    others = [("main", user, Since()) for user in users if user != "u4"]
    assert all(one.synced for one in stage.node.streams.connect("n1", others))


@pytest.mark.parametrize("stream", ["me", "all"])
def test_a_database_older_than_redis_ends_the_epoch_once(stage, delivered, stream):
    stage.node.hold("ana")
    deps, args = stage.deps(), Sync(app="main", users=["ana"], node="n1")
    sync.run(deps, args)
    [before] = stage.rows(t.apps)
    stage.client.hset("stream:main:ana" if stream == "me" else "app:main", "top", 50)

    sync.run(deps, args)
    sync.run(deps, args)

    [after] = stage.rows(t.apps)
    assert after.epoch != before.epoch
    assert deps.streams.tops("main", ["ana"]).users == [(after.epoch, 3)]
    assert deps.streams.app_top("main") == (after.epoch, 1)
    assert deps.streams.tails("main", "ana", me=0, all=0).all_tail == []
    sync.run(deps, args)
    assert stage.rows(t.apps)[0].epoch == after.epoch


def test_what_outlived_its_ttl_leaves_the_numbers_in_the_database_and_in_redis(stage, delivered):
    stage.node.hold("ana")
    sync.run(stage.deps(), Sync(app="main", users=["ana"], node="n1"))
    past = {"expires_at": to_datetime(now_ms() - 5000)}
    gone = t.notifications.update().where(t.notifications.c.id == delivered[0]).values(past)
    stage.database.run(lambda session: session.execute(gone))

    assert expire.run(stage.deps(), Expire()) is Outcome.DONE

    [connected] = stage.node.streams.connect("n1", [("main", "ana", Since())])
    assert connected.counts.total == 3
    assert expire.run(stage.deps(), Expire()) is Outcome.NOTHING
