"""Who may come in, as the database says, reaches Redis: later, again, and whatever else happens at the same moment."""

from typing import Any

import pytest

from shared.models import tables as t
from shared.protocol.jobs import Purge, Reconcile, Sync
from shared.protocol.revoke import Revoke
from shared.redis import keys
from shared.redis.client import RedisUnavailable, connect
from shared.redis.revocations import Decision, Revocations
from shared.services import users
from shared.services.revoking import LATE_MS, Revoking
from shared.store import accounts, apps, sessions
from shared.store.sessions import Begun
from tests.integration.workers.support import now_ms
from workers.jobs import purge, reconcile, sync

LATE = 2 * LATE_MS


def disable(stage: Any, user: str, at: int | None = None) -> list[Any]:
    at = now_ms() if at is None else at
    return stage.database.run(lambda session: users.disable(session, "main", user, at))[1]


def enable(stage: Any, user: str, at: int | None = None) -> list[Any]:
    at = now_ms() if at is None else at
    return stage.database.run(lambda session: users.enable(session, "main", user, at))[1]


def erase(stage: Any, user: str, at: int) -> list[Any]:
    return stage.database.run(lambda session: users.erase(session, "main", user, at))


def let_in(deps: Any, user: str) -> bool:
    """Whether a token that was issued just now is good."""
    return deps.revocations.standing("main", user, None).allows(now_ms() + 60_000)


def test_a_redis_that_lost_who_is_disabled_gets_it_back_from_any_sync_and_nodes_hear_it(stage):
    deps = stage.deps()
    disable(stage, "mallory")
    stage.node.hold("ana")

    sync.run(deps, Sync(app="main", users=["ana"], node="n1"))

    assert not let_in(deps, "mallory")
    assert stage.node.of(Revoke) == [Revoke("main", "mallory", None, None)]


def test_a_reconcile_puts_back_for_every_app_and_once_and_takes_out_who_is_not_disabled(stage):
    deps = stage.deps()
    disable(stage, "mallory")
    enable(stage, "ana" if disable(stage, "ana") else "")
    erase(stage, "gone" if disable(stage, "gone") else "", now_ms())
    for user in ("ana", "gone", "never was"):
        # As Redis had it when it wrote its disk.
        deps.revocations.decide("main", [Decision(user, 5, True, None)])

    reconcile.run(deps, Reconcile())
    assert [let_in(deps, user) for user in ("mallory", "ana", "gone", "never was")] == [
        False,
        True,
        True,
        True,
    ]
    assert deps.revocations.disabled("main") == ["mallory"]
    assert not deps.revocations.unknown(["main"])

    deps.revocations.decide("main", [Decision("mallory", now_ms() + 9, False, None)])
    reconcile.run(deps, Reconcile())
    assert let_in(deps, "mallory")


def test_a_redis_that_starts_from_an_older_disk_learns_what_it_missed(stage):
    """Its marker is on that disk: the run tells that it is another life."""
    deps = stage.deps()
    client = connect(stage.redis_url)
    reconcile.run(deps, Reconcile())
    client.set(keys.revoked_run("main"), "an older run")
    deps.revoking.tell(disable(stage, "ana"))
    before = deps.revocations.standing("main", "ana", None).before
    deps.revoking.tell(enable(stage, "ana"))
    id, user = begin(stage, "bob")
    deps.revoking.tell(disable(stage, "bob"))
    deps.revoking.tell(enable(stage, "bob"))
    for pattern in ("revoked:user:*", "revoked:decided:*", "revoked:session:*", "disabled:*"):
        client.delete(*client.keys(pattern) or ["nothing"])
    assert deps.revocations.standing("main", user, id).allows(1)

    reconcile.run(deps, Reconcile())

    assert deps.revocations.standing("main", "ana", None).before == before
    assert deps.revocations.standing("main", user, id).ended
    assert let_in(deps, "ana")
    client.close()


def test_what_was_decided_while_redis_was_away_is_told_when_it_is_back(stage):
    """Without the one who decided: whose process may have ended since."""
    deps = stage.deps()
    reconcile.run(deps, Reconcile())
    at = now_ms() - LATE
    id, user = begin(stage, "ana")
    lost = Revoking(
        deps.settings, deps.database, Revocations(connect("redis://127.0.0.1:1/0"), life=60), deps.streams
    )
    for decided in (disable(stage, user, at), disable(stage, "bob", at), disable(stage, "eve", at)):
        with pytest.raises(RedisUnavailable, match="as soon as Redis answers"):
            lost.tell(decided)
    lost.tell_soon(enable(stage, "bob", at))
    # Erased: the row that said who that was is gone, and his tokens and his place in the set have to go as well.
    deps.revocations.decide("main", [Decision("eve", 5, True, 5)])
    lost.tell_soon(erase(stage, "eve", at))
    assert let_in(deps, user)

    reconcile.run(deps, Reconcile())

    assert not let_in(deps, user)
    assert deps.revocations.standing("main", user, id).ended
    assert [let_in(deps, name) for name in ("bob", "eve")] == [True, True]
    for name in ("bob", "eve"):
        assert not deps.revocations.standing("main", name, None).allows(at)
    assert stage.rows(t.revocations) == []
    assert Revoke("main", user, (id,), None) in stage.node.of(Revoke)


def test_an_erased_user_s_tail_is_forgotten_late_as_well(stage):
    deps = stage.deps()
    client = connect(stage.redis_url)
    stage.database.run(lambda session: users.put(session, "main", "ana", {}, now_ms()))
    client.zadd(keys.tail_me("main", "ana"), {"what was sent": 1})
    erase(stage, "ana", now_ms() - LATE)

    reconcile.run(deps, Reconcile())

    assert not client.exists(keys.tail_me("main", "ana"))
    client.close()


def test_what_was_told_at_once_leaves_nothing_and_is_not_told_again(stage):
    deps = stage.deps()
    reconcile.run(deps, Reconcile())
    deps.revoking.tell(disable(stage, "ana", now_ms() - LATE))
    assert stage.rows(t.revocations) == []
    heard = len(stage.node.of(Revoke))

    reconcile.run(deps, Reconcile())

    assert len(stage.node.of(Revoke)) == heard == 1


class Interrupted(Revocations):
    """Redis, of which somebody else makes use just before a decision is put."""

    meanwhile: Any = None

    def decide(self, app: str, decisions: Any) -> int:
        """First the other one."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().decide(app, decisions)


@pytest.mark.parametrize("slow", ["restore", "catch_up"])
@pytest.mark.parametrize("last", ["enable", "disable"])
def test_what_is_decided_while_a_job_puts_back_what_it_read_before_holds(stage, slow: str, last: str):
    deps = stage.deps()
    held = Interrupted(connect(stage.redis_url), life=60)
    job = Revoking(deps.settings, deps.database, held, deps.streams)
    disable(stage, "ana", now_ms() - LATE)
    if last == "disable":
        enable(stage, "ana", now_ms() - LATE)
        deps.revocations.decide("main", [Decision("ana", 5, True, 5)])
    held.meanwhile = lambda: deps.revoking.tell((enable if last == "enable" else disable)(stage, "ana"))

    job.restore(now_ms()) if slow == "restore" else job.catch_up(now_ms())

    assert held.meanwhile is None
    assert let_in(deps, "ana") == (last == "enable")
    reconcile.run(deps, Reconcile())
    assert let_in(deps, "ana") == (last == "enable")


def begin(stage: Any, user: str) -> tuple[str, str]:
    """A session of a user."""
    at, id = now_ms(), "01a22000-0000-7000-8000-000000000001"

    def write(session: Any) -> None:
        app_id = apps.require(session, "main").id
        user_id = accounts.admit(session, app_id, user, now_ms=at)
        assert user_id is not None
        begun = Begun(id, app_id, user_id, "", "a" * 64, "1" * 64, at, at + 86_400_000)
        sessions.begin(session, begun, idle_ms=86_400_000)

    stage.database.run(write)
    return id, user


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
