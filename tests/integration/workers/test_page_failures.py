"""A page that cannot be stored harms no other page, ends as a dead letter, and goes through once its cause is gone."""

from collections.abc import Callable

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import OperationalError

from shared.clock import to_datetime
from shared.db import RunAgain
from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Job, Page, Reconcile
from shared.store import apps, dead_letters, page_failures
from tests.integration.migrating import migrate
from tests.integration.store.poison import NAME, poisoned
from tests.integration.workers.support import entry, eventually, now_ms
from workers import blame
from workers.jobs import deliver, page, reconcile
from workers.outcome import Outcome
from workers.registry import JOBS
from workers.shell import execute

GOOD = [f"u{number:02}" for number in range(12)]
AUDIENCE = [*GOOD[:5], NAME, *GOOD[5:]]
"""Three pages of five; the name that is refused is on the second, with four others."""
ON_GOOD_PAGES = sorted([*GOOD[:5], *GOOD[9:]])
PAGES = range(3)


@pytest.fixture(scope="module")
def database_url(module_database_url: str) -> str:
    """A migrated database on each of the three servers."""
    migrate(module_database_url)
    return module_database_url


@pytest.fixture
def stage(make_stage, redis_url, database_url):
    found = make_stage(redis_url, database_url, attempts_max="3", page_size="5")
    found.node.hold(*AUDIENCE)
    return found


def accept(stage, deps) -> str:
    """One for the whole audience, written down as pages."""
    one = entry(*AUDIENCE)
    stage.accept(one)
    assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.DONE
    return one.id


def run_pages(deps, id: str, pages=PAGES, rescue=False) -> list[Outcome]:
    """As the worker runs them: whatever a page raises ends in its outcome."""
    return [
        execute(Job.PAGE, JOBS[Job.PAGE], Page(id=id, number=number, rescue=rescue).kwargs(), lambda: deps)
        for number in pages
    ]


def page_row(stage, number: int = 1):
    return stage.rows(t.pages)[number]


def letters(stage) -> list[tuple[str, str | None]]:
    with stage.database.session() as session:
        found = dead_letters.page(session, apps.require(session, "main").id)
    return [(row.id, row.error) for row in found]


def told(stage) -> list[str]:
    """Users whose node got a frame, as often as it did."""
    return sorted(item[0] for one in stage.node.of(envelope.Frames) for item in one.items)


def status(stage, id: str) -> str:
    return stage.notification(id).status


def put_back(stage, id: str) -> list[int]:
    """What the api does when its sender asks for it."""
    pages = stage.database.run(lambda session: page_failures.put_back(session, id, now_ms=now_ms()))
    return [one.number for one in pages]


def test_a_page_that_cannot_be_stored_ends_as_a_dead_letter_and_the_others_are_delivered(stage):
    deps = stage.deps()
    id = accept(stage, deps)

    with poisoned(stage.database):
        assert run_pages(deps, id) == [Outcome.DONE, Outcome.PARTLY, Outcome.DONE]
        assert told(stage) == ON_GOOD_PAGES
        assert (status(stage, id), letters(stage)) == ("sending", [])
        assert run_pages(deps, id, [1]) == [Outcome.PARTLY]
        assert (status(stage, id), page_row(stage).failures) == ("sending", 2)
        assert run_pages(deps, id, [1, 1]) == [Outcome.PARTLY, Outcome.NOTHING]

    row = stage.notification(id)
    assert (row.status, row.attempts) == ("failed", 3)
    assert row.failed_at is not None
    [(letter, error)] = letters(stage)
    assert letter == id
    assert error.startswith("page 1: ")
    assert "refused" in error
    assert told(stage) == ON_GOOD_PAGES


def test_after_its_cause_is_gone_a_retry_reaches_only_those_who_lack_it(stage):
    deps = stage.deps()
    id = accept(stage, deps)
    with poisoned(stage.database):
        run_pages(deps, id, [1, 1, 1, 0, 2])
        # Still broken: it fails anew, after as many attempts as the first time.
        assert put_back(stage, id) == [1]
        assert status(stage, id) == "sending"
        assert run_pages(deps, id, [1, 1, 1]) == [Outcome.PARTLY] * 3
        assert status(stage, id) == "failed"

    assert put_back(stage, id) == [1]
    assert put_back(stage, id) == []
    assert run_pages(deps, id) == [Outcome.NOTHING, Outcome.DONE, Outcome.NOTHING]

    assert told(stage) == sorted(AUDIENCE)
    assert (status(stage, id), letters(stage)) == ("sent", [])
    assert {row.last_seq for row in stage.rows(t.streams)} == {1}


def test_a_cause_that_goes_in_time_costs_nothing_but_time(stage):
    deps = stage.deps()
    id = accept(stage, deps)
    with poisoned(stage.database):
        run_pages(deps, id, [0, 1, 1, 2])

    assert run_pages(deps, id, [1]) == [Outcome.DONE]

    assert told(stage) == sorted(AUDIENCE)
    assert status(stage, id) == "sent"
    assert stage.notification(id).error is None


def test_the_reconciler_brings_a_failed_page_at_its_time_and_a_given_up_one_never(stage):
    deps = stage.deps()
    id = accept(stage, deps)
    for queue in ("normal", "maintenance"):
        stage.client.delete(queue)
    with poisoned(stage.database):
        begun = now_ms()
        run_pages(deps, id)
        due_in_ms = page_row(stage).next_attempt_at.timestamp() * 1000 + 15_000 - begun
        # At least a second, and at most the first wait.
        assert 1000 <= due_in_ms <= 15_000 + now_ms() - begun
        assert reconcile.run(deps, Reconcile()) is Outcome.NOTHING

        _make_due(stage)
        assert reconcile.run(deps, Reconcile()) is Outcome.DONE
        assert stage.client.llen("normal") == 1
        run_pages(deps, id, [1, 1], rescue=True)

    _make_due(stage)
    assert reconcile.run(deps, Reconcile()) is Outcome.NOTHING
    assert stage.client.llen("normal") == 1


def _make_due(stage) -> None:
    early = to_datetime(now_ms() - 60_000)
    due = t.pages.update().values(created_at=early, next_attempt_at=early)
    stage.database.run(lambda session: session.execute(due))


def _raising(error: Exception) -> Callable[..., None]:
    def store_page(*_: object, **__: object) -> None:
        raise error

    return store_page


class _LockTimeout(Exception):
    sqlstate = "55P03"
    sqlite_errorname = "SQLITE_BUSY"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OperationalError(None, None, Exception("connection refused")), Outcome.AWAY),
        (OperationalError("INSERT", {}, _LockTimeout(1205, "lock wait timeout")), Outcome.FAILED),
        (RunAgain("user_race"), Outcome.FAILED),
    ],
    ids=["away", "lock", "again"],
)
def test_what_is_nobodys_fault_is_nobodys_attempt(stage, monkeypatch, error, outcome):
    deps = stage.deps()
    id = accept(stage, deps)

    with monkeypatch.context() as patch:
        patch.setattr(page, "store_page", _raising(error))
        assert run_pages(deps, id, [1] * 4) == [outcome] * 4

    assert (page_row(stage).failures, page_row(stage).error) == (0, None)
    assert run_pages(deps, id) == [Outcome.DONE] * 3
    assert status(stage, id) == "sent"


def test_a_doubtful_error_counts_only_while_the_database_answers(stage, monkeypatch):
    deps = stage.deps()
    id = accept(stage, deps)
    doubtful = OperationalError("INSERT", {}, Exception("disk full"))
    monkeypatch.setattr(page, "store_page", _raising(doubtful))

    with monkeypatch.context() as patch:
        patch.setattr(blame, "answers", lambda _: False)
        run_pages(deps, id, [1])
        assert page_row(stage).failures == 0
    assert run_pages(deps, id, [1]) == [Outcome.PARTLY]
    assert (page_row(stage).failures, page_row(stage).error) == (1, "Exception: disk full")


def test_running_out_of_time_is_an_attempt_as_for_an_entry_that_is_alone(stage, monkeypatch):
    deps = stage.deps()
    id = accept(stage, deps)
    run_pages(deps, id, [0, 2])

    with monkeypatch.context() as patch:
        patch.setattr(page, "store_page", _raising(SoftTimeLimitExceeded()))
        assert run_pages(deps, id, [1, 1, 1]) == [Outcome.TIMEOUT] * 3

    assert status(stage, id) == "failed"
    assert "SoftTimeLimitExceeded" in stage.notification(id).error


@pytest.mark.slow
def test_a_worker_counts_what_it_gives_up_and_goes_on(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, attempts_max="1", page_size="5")
    worker = stage.worker()
    with poisoned(stage.database):
        [id] = stage.post(entry(*AUDIENCE))
        eventually(lambda: (row := stage.notification(id)) and row.status == "failed")

    assert worker.metric("bellhop_dead_letters_total") == 1
    assert "page_given_up" in worker.log()
    assert sorted(_names(stage)) == ON_GOOD_PAGES


def _names(stage) -> list[str]:
    users = {row.id: row.name for row in stage.rows(t.users)}
    return [users[row.user_id] for row in stage.rows(t.deliveries)]


def test_a_database_that_is_away_counts_as_nobodys_attempt(make_stage, redis_url, postgresql, outage):
    stage = make_stage(redis_url, postgresql, attempts_max="1", page_size="5")
    deps = stage.deps()
    id = accept(stage, deps)

    outage(away=True)
    assert run_pages(deps, id) == [Outcome.AWAY] * 3
    outage(away=False)
    stage.database.close()  # the test's own idle connections were cut as well

    assert [row.failures for row in stage.rows(t.pages)] == [0, 0, 0]
    assert run_pages(deps, id) == [Outcome.DONE] * 3
    assert status(stage, id) == "sent"
