"""presence and connections: who has left is told and written down, and so is the log; purge ends what is old."""

from dataclasses import replace

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol.jobs import Connections, Presence, Purge, Sync
from shared.protocol.presence import Presence as Told
from shared.protocol.visit import Visit
from shared.redis.leases import Leases
from tests.integration.workers.support import Node, eventually, now_ms
from workers.jobs import connections, presence, purge, sync
from workers.outcome import Outcome


def visit(number: int = 1, **changes) -> Visit:
    values = {"opened_at": now_ms() - 5000, "sign_in": "header", "dialect": "native", "node": "n1"}
    return Visit(connection=f"n1.{number}", app="main", user="ana", **{**values, **changes})


def known(deps, user="ana"):
    sync.run(deps, Sync(app="main", users=[user], node="n1"))


def test_who_left_is_told_after_the_grace_and_written_down(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, presence_grace="0")
    deps = stage.deps()
    stage.node.hold("ana")
    known(deps)
    deps.presence.watch("n1", [("main", "ana")])
    assert presence.run(deps, Presence()) is Outcome.NOTHING
    before = now_ms()
    stage.node.streams.disconnect("n1", [("main", "ana")])
    stage.client.zadd("present:leaving", {"main ana": before})

    assert presence.run(deps, Presence()) is Outcome.DONE

    [told] = stage.node.of(Told)
    assert (told.user, told.online) == ("ana", False)
    [row] = stage.rows(t.users)
    assert row.last_seen_at == to_datetime(before)
    assert deps.presence.take_seen(10) == []
    assert presence.run(deps, Presence()) is Outcome.NOTHING


def test_users_of_a_dead_node_leave_after_the_grace(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, presence_grace="0.2", presence_broadcast="false")
    deps = stage.deps()
    dead = Node(redis_url, "n2")
    dead.hold(*(f"u{n}" for n in range(300)))
    known(deps, "u0")
    deps.presence.watch("n1", [("main", "u0")])
    Leases(stage.client).drop("n2")

    assert presence.run(deps, Presence()) is Outcome.DONE
    assert deps.presence.read("main", ["u0"])[0].online

    eventually(lambda: presence.run(deps, Presence()) and stage.node.of(Told))
    assert [one.user for one in stage.node.of(Told)] == ["u0"]
    eventually(lambda: presence.run(deps, Presence()) is Outcome.NOTHING)
    assert not stage.client.exists("online:n2")
    dead.close()


def test_the_log_is_written_in_batches_and_the_tick_asks_for_it(stage, monkeypatch):
    monkeypatch.setattr(connections, "TAKE", 2)
    deps = stage.deps()
    stage.node.hold("ana")
    known(deps)
    deps.connection_log.put([visit(n) for n in range(5)])

    presence.run(deps, Presence())

    assert stage.client.llen("maintenance") == 1
    assert connections.run(deps, Connections()) is Outcome.DONE
    assert len(stage.rows(t.connection_logs)) == 5
    assert connections.run(deps, Connections()) is Outcome.NOTHING
    deps.connection_log.put([replace(visit(3), closed_at=now_ms(), code=1000, reason="")])
    connections.run(deps, Connections())
    assert [row.code for row in stage.rows(t.connection_logs) if row.connection == "n1.3"] == [1000]


def test_the_purge_closes_connections_of_dead_nodes_and_deletes_old_ones(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, connection_log_life="3600")
    deps = stage.deps()
    stage.node.hold("ana")
    known(deps)
    old = replace(visit(1), closed_at=now_ms() - 7_200_000, code=1000, reason="")
    deps.connection_log.put([old, visit(2), visit(3, node="dead")])
    connections.run(deps, Connections())

    assert purge.run(deps, Purge()) is Outcome.DONE

    assert [(row.connection, row.code) for row in stage.rows(t.connection_logs)] == [
        ("n1.2", None),
        ("n1.3", 1006),
    ]
    assert purge.run(deps, Purge()) is Outcome.NOTHING
