"""Who is disabled stays out when Redis is lost; sessions that are over are purged."""

from shared.models import tables as t
from shared.protocol.jobs import Purge, Reconcile, Sync
from shared.protocol.revoke import Revoke
from shared.services import users
from shared.store import accounts, apps, sessions
from shared.store.sessions import Begun
from tests.integration.workers.support import now_ms
from workers.jobs import purge, reconcile, sync


def disable(stage, user):
    stage.database.run(lambda session: users.disable(session, "main", user, now_ms()))


def test_a_redis_that_lost_who_is_disabled_gets_it_back_from_any_sync_and_nodes_hear_it(stage):
    deps = stage.deps()
    disable(stage, "mallory")
    stage.node.hold("ana")

    sync.run(deps, Sync(app="main", users=["ana"], node="n1"))

    assert deps.revocations.standing("main", "mallory", None).disabled
    assert stage.node.of(Revoke) == [Revoke("main", "mallory", None, None)]


def test_a_reconcile_puts_them_back_for_every_app_and_once(stage):
    deps = stage.deps()
    disable(stage, "mallory")

    reconcile.run(deps, Reconcile())
    assert deps.revocations.standing("main", "mallory", None).disabled
    assert deps.revocations.unknown(["main"]) == []

    deps.revocations.enable("main", "mallory")
    reconcile.run(deps, Reconcile())
    assert not deps.revocations.standing("main", "mallory", None).disabled


def test_sessions_that_nobody_uses_are_purged(stage):
    deps = stage.deps()
    idle_ms = deps.settings.refresh_idle * 1000
    for number, at in enumerate((now_ms() - idle_ms - 1000, now_ms())):

        def begin(session, number=number, at=at):
            app_id = apps.require(session, "main").id
            row = accounts.add(session, app_id, f"user {number}", "hash", now_ms=at, known=False)
            id = f"01a22000-0000-7000-8000-00000000000{number}"
            begun = Begun(id, app_id, row.user_id, "", "a" * 64, f"{number}" * 64, at, at + 30 * 86_400_000)
            sessions.begin(session, begun, idle_ms=idle_ms)

        stage.database.run(begin)

    purge.run(deps, Purge())

    assert [row.hash for row in stage.rows(t.refresh_tokens)] == ["1" * 64]
    assert len(stage.rows(t.sessions)) == 1
