"""A group from the journal to the database and to the nodes, through a real worker."""

from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Page, Publish
from tests.integration.workers.support import entry, eventually
from workers.jobs import deliver, page, publish
from workers.outcome import Outcome


def test_a_group_is_stored_published_and_cleared(stage):
    worker = stage.worker()
    stage.node.hold("ana", "bob")

    group = [entry("ana"), entry("ana", "bob"), entry("absent")]
    ids = stage.post(*group)

    eventually(lambda: stage.published(ids))
    eventually(lambda: stage.node.ids() == [ids[0], ids[1], ids[1]])
    [frames] = stage.node.of(envelope.Frames)
    assert [(user, seq, prev) for user, seq, prev, *_ in frames.items] == [
        ("ana", 1, 0),
        ("ana", 2, 1),
        ("bob", 1, 0),
    ]
    assert stage.journal.depth() == (0, 0)
    assert [row.status for row in stage.rows(t.notifications)] == ["sent"] * 3
    assert eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="done")) == 1
    assert worker.metric("bellhop_accept_to_stored_seconds_count") == 1
    assert worker.metric("bellhop_rescued_total") == 0
    assert all(one.request_id in worker.log() for one in group)


def test_a_notification_to_everyone_reaches_each_live_node_once(stage):
    stage.accept(hello := entry(everyone=True, exclude=("bob",)))

    assert deliver.run(stage.deps(), Deliver(ids=[hello.id])) is Outcome.DONE

    eventually(lambda: stage.node.of(envelope.All))
    [sent] = stage.node.of(envelope.All)
    assert (sent.frame.seq, sent.frame.prev, sent.frame.excluded) == (1, 0, ("bob",))


def test_a_second_run_of_the_same_job_changes_and_sends_nothing(stage):
    deps = stage.deps()
    stage.node.hold("ana")
    ids = stage.accept(entry("ana"), entry("ana"))
    deliver.run(deps, Deliver(ids=ids))
    before = (
        stage.rows(t.notifications),
        stage.rows(t.deliveries),
        stage.rows(t.streams),
        len(stage.node.poll()),
    )

    assert deliver.run(deps, Deliver(ids=ids)) is Outcome.NOTHING

    assert (
        stage.rows(t.notifications),
        stage.rows(t.deliveries),
        stage.rows(t.streams),
        len(stage.node.poll()),
    ) == before


def test_a_job_takes_along_what_else_waits_and_the_jobs_of_those_find_nothing(stage):
    deps = stage.deps()
    stage.node.hold("ana")
    own, others, urgent = entry("ana"), [entry("ana") for _ in range(9)], entry("ana", priority="critical")
    stage.accept(own)
    for one in (*others, urgent):
        stage.accept(one)

    assert deliver.run(deps, Deliver(ids=[own.id])) is Outcome.DONE

    assert stage.node.ids() == [own.id, *(one.id for one in others)]
    assert stage.notification(urgent.id) is None
    assert {deliver.run(deps, Deliver(ids=[one.id])) for one in others} == {Outcome.NOTHING}
    assert deliver.run(deps, Deliver(ids=[urgent.id])) is Outcome.DONE


def test_a_job_that_the_broker_gives_again_works_on_its_own_entries_alone(stage):
    """The child that had it may have died of what it took; so it is not joined by others, and does not wait."""
    deps = stage.deps()
    first, second = stage.accept(entry("ana"), entry("ana"))
    deps.journal.take([first], now_ms=deps.clock.now_ms(), members_max=1, bytes_max=1 << 20, anyhow=False)

    assert deliver.run(deps, Deliver(ids=[first])) is Outcome.NOTHING
    assert deliver.run(deps, Deliver(ids=[first], redelivered=True)) is Outcome.DONE

    assert stage.notification(second) is None
    assert stage.published([first])


def test_what_is_stored_and_unpublished_is_published_again_byte_for_byte(stage):
    deps = stage.deps()
    stage.node.hold("ana", "bob")
    group = [entry("ana", "bob"), entry("bob"), entry(everyone=True, exclude=("bob",))]
    ids = stage.accept(*group)
    deliver.run(deps, Deliver(ids=ids))
    stage.node.poll()
    first, stage.node.raw = stage.node.raw, []
    stage.database.run(lambda session: session.execute(t.notifications.update().values(published_at=None)))
    stage.accept(*group)

    assert deliver.run(deps, Deliver(ids=ids)) is Outcome.DONE

    stage.node.poll()
    assert len(first) == 2
    assert stage.node.raw == first
    assert stage.published(ids)
    assert sorted(row.last_seq for row in stage.rows(t.streams)) == [1, 2]


def test_a_poison_member_is_isolated_and_the_others_are_delivered(stage):
    deps = stage.deps()
    stage.node.hold("ana")
    group = [entry("ana") for _ in range(20)]
    poison = entry("ana", data_json='"\x00"')
    ids = stage.accept(*group, poison)

    assert deliver.run(deps, Deliver(ids=ids)) is Outcome.PARTLY

    eventually(lambda: stage.node.ids() == ids[:-1])
    assert stage.journal.depth()[0] == 1
    assert stage.journal.failures([poison.id]) == [1]
    assert stage.notification(poison.id) is None


def test_after_the_last_attempt_a_poison_member_is_a_failed_notification_and_is_kept(
    make_stage, redis_url, postgresql
):
    stage = make_stage(redis_url, postgresql, attempts_max="2")
    poison = entry("ana", data_json='"\x00"', tags_json='["a"]')
    stage.accept(poison)

    deps, ids = stage.deps(), [poison.id]
    outcomes = [deliver.run(deps, Deliver(ids=ids, rescue=again)) for again in (False, True, True)]

    assert outcomes == [Outcome.PARTLY, Outcome.PARTLY, Outcome.NOTHING]
    row = stage.notification(poison.id)
    assert (row.status, row.attempts, row.event, row.data) == ("failed", 2, "", "{}")
    assert "NUL" in row.error
    # The content is what could not be written: it stays in the journal's dead list.
    assert poison.encode() in stage.client.hget("journal:dead", poison.id)
    assert stage.journal.depth() == (0, 0)


def test_a_member_of_an_app_that_is_gone_ends_in_the_dead_list(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, attempts_max="1")
    ghost, good = entry("ana", app="ghost"), entry("ana")
    stage.accept(ghost, good)

    assert deliver.run(stage.deps(), Deliver(ids=[ghost.id, good.id])) is Outcome.PARTLY

    assert stage.published([good.id])
    assert stage.client.hkeys("journal:dead") == [ghost.id.encode()]
    assert stage.journal.depth() == (0, 0)


def test_what_is_no_entry_is_set_aside_and_what_is_too_new_stays(stage):
    good = entry("ana")
    stage.accept(good)
    stage.client.hset("journal", mapping={"garbage": b"\xff{", "newer": b'{"v":99}'})

    assert deliver.run(stage.deps(), Deliver(ids=["garbage", "newer", good.id], rescue=True)) is Outcome.DONE

    assert stage.client.hkeys("journal") == [b"newer"]
    assert stage.client.hkeys("journal:dead") == [b"garbage"]


def test_a_big_audience_becomes_pages_and_all_of_it_is_delivered(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, page_size="10")
    stage.worker()
    names = [f"u{number:02}" for number in range(35)]
    stage.node.hold(*names)

    ids = stage.post(entry(*names))

    eventually(lambda: stage.published(ids))
    eventually(lambda: len(stage.node.ids()) == 35)
    items = [item for one in stage.node.of(envelope.Frames) for item in one.items]
    assert sorted(user for user, *_ in items) == names
    assert len(stage.rows(t.pages)) == 4


def test_a_page_or_a_publish_that_is_done_is_nothing(stage):
    deps = stage.deps()
    ids = stage.accept(entry("ana"))
    deliver.run(deps, Deliver(ids=ids))

    assert publish.run(deps, Publish(ids=ids)) is Outcome.NOTHING
    assert page.run(deps, Page(id=ids[0], number=0)) is Outcome.NOTHING


def test_poison_arguments_are_refused_and_the_worker_goes_on(stage):
    worker = stage.worker()
    stage.queue._app.send_task("bellhop.deliver", kwargs={"ids": {"a": 1}}, queue="normal")
    stage.queue._app.send_task("bellhop.page", kwargs={"id": 1, "number": "x"}, queue="normal")
    stage.queue._app.send_task("bellhop.nothing_of_ours", kwargs={}, queue="normal")

    ids = stage.post(entry("ana"))

    eventually(lambda: stage.published(ids))
    assert worker.metric("bellhop_jobs_total", outcome="rejected") == 3
