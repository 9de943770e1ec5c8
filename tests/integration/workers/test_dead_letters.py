"""A poison member hurts nobody, ends as a dead letter, and goes through once its cause is gone."""

from dataclasses import replace

import pytest

from shared.models import tables as t
from shared.protocol.jobs import Deliver, Reconcile
from shared.redis.journal import Retried
from tests.integration.workers.support import BOUNDS, entry, eventually, now_ms
from workers.jobs import deliver, reconcile
from workers.outcome import Outcome


def test_a_poison_member_never_harms_its_group_up_to_its_end(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, attempts_max="2")
    deps = stage.deps()
    stage.node.hold("ana")
    good = [entry("ana") for _ in range(50)]
    poison = entry("ana", data_json='"\x00"')
    ids = stage.accept(*good[:25], poison, *good[25:])

    outcomes = [deliver.run(deps, Deliver(ids=ids, rescue=again)) for again in (False, True, True)]

    assert outcomes == [Outcome.PARTLY, Outcome.PARTLY, Outcome.NOTHING]
    eventually(lambda: stage.node.ids() == [one.id for one in good])
    assert [row.last_seq for row in stage.rows(t.streams)] == [50]
    assert stage.published([one.id for one in good])
    assert stage.notification(poison.id).status == "failed"
    assert stage.journal.depth() == (0, 0)


def test_a_dead_letter_that_is_retried_after_its_cause_is_gone_is_delivered(
    make_stage, redis_url, postgresql
):
    stage = make_stage(redis_url, postgresql, attempts_max="1")
    deps = stage.deps()
    stage.node.hold("ana")
    poison = entry("ana", data_json='"\x00"')
    stage.accept(poison)
    deliver.run(deps, Deliver(ids=[poison.id]))
    assert stage.journal.dead() == [poison.id]

    # Still broken: it fails again, and its content is kept again.
    still = replace(poison, retried=True)
    assert stage.journal.retry(still, now_ms=now_ms(), bounds=BOUNDS) is Retried.STORED
    assert deliver.run(deps, Deliver(ids=[poison.id])) is Outcome.PARTLY
    assert (stage.journal.dead(), stage.journal.depth()) == ([poison.id], (0, 0))

    mended = replace(still, data_json="{}")
    assert stage.journal.retry(mended, now_ms=now_ms(), bounds=BOUNDS) is Retried.STORED
    assert deliver.run(deps, Deliver(ids=[poison.id])) is Outcome.DONE

    eventually(lambda: stage.node.ids() == [poison.id])
    row = stage.notification(poison.id)
    assert (row.status, row.data, row.event) == ("sent", "{}", "order.paid")
    assert (stage.journal.dead(), stage.journal.depth()) == ([], (0, 0))


def test_a_retry_whose_job_was_lost_is_brought_back_like_any_entry(stage):
    stage.worker(name="worker_bulk", queues="maintenance,normal")
    one = entry("ana")
    stage.journal.retry(replace(one, retried=True), now_ms=now_ms() - 20_000, bounds=BOUNDS)

    from_journal = stage.journal.due(now_ms=now_ms(), limit=1)

    assert [id for id, _ in from_journal] == [one.id]


class Still:
    """A clock that stands, and a chance that is known."""

    def __init__(self, now: int, chance: float) -> None:
        self.now, self.chance = now, chance

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000

    def random(self) -> float:
        return self.chance


@pytest.mark.parametrize(("chance", "wait_ms"), [(0.0, 1000), (0.5, 7500), (1.0, 15_000)])
def test_what_failed_is_brought_back_when_its_drawn_wait_is_over(stage, chance, wait_ms):
    time = Still(now_ms(), chance)
    deps = replace(stage.deps(), clock=time, chance=time)
    poison = entry("ana", data_json='"\x00"')
    stage.accept(poison)
    assert deliver.run(deps, Deliver(ids=[poison.id])) is Outcome.PARTLY

    time.now += wait_ms - 1
    assert reconcile.run(deps, Reconcile()) is Outcome.NOTHING
    time.now += 1
    assert reconcile.run(deps, Reconcile()) is Outcome.DONE
    assert stage.client.llen("normal") == 1
