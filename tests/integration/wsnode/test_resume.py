"""Coming back: within the tail without any job, beyond it by the database, and when nothing can be made whole."""

import pytest

from shared.redis.publish import TailBounds
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import wait_until


@pytest.fixture
def short_tail(redis_of_module, backend):
    """A backend whose tails hold three frames."""
    short = Backend(redis_of_module.url, bounds=TailBounds(frames=3))
    short.users, short.everyone = backend.users, backend.everyone
    yield short
    short.client.close()


def warm(node, backend, user, *, count: int = 1) -> dict[str, object]:
    """A user who was online, has `count` frames and left; where the client stands."""
    with node.connect(user) as client:
        welcome = client.online()
        backend.publish(user, count=count)
        last = client.notifications(count)[-1]["seq"]
    return {"epoch": welcome["epoch"], "me": last, "all": welcome["all"]}


def test_a_resume_within_the_tail_enqueues_no_job(node, backend, user):
    since = warm(node, backend, user)
    backend.publish(user, count=3)
    backend.jobs.clear()
    with node.connect(user, since=since) as client:
        welcome = client.wait("welcome")
        frames = client.notifications(3)
        backend.publish(user)
        frames += client.notifications(1)

    assert (welcome["recovered"], welcome["me"]) == (True, 1)
    assert [frame["seq"] for frame in frames] == [2, 3, 4, 5]
    assert set(backend.job_names()) <= {"receipts"}


def test_even_after_a_broadcast_a_resume_within_the_tail_enqueues_no_job(node, backend, user):
    since = warm(node, backend, user)
    backend.broadcast()
    backend.jobs.clear()
    with node.connect(user, since=since) as client:
        welcome = client.wait("welcome")
        client.wait("notification", where=lambda frame: frame["stream"] == "all")
        client.send(type="ping")
        client.wait("pong")

    assert welcome["recovered"] is True
    assert set(backend.job_names()) <= {"receipts"}


def test_since_counts_as_an_ack(node, backend, user):
    since = warm(node, backend, user, count=4)
    with node.connect(user, since=since) as client:
        client.online()
        wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"4 0")
    with node.connect(user) as client:
        assert client.wait("welcome")["me"] == 4


def test_each_device_has_its_own_since(node, backend, user):
    since = warm(node, backend, user, count=4)
    with (
        node.connect(user, since=since | {"me": 3}) as one,
        node.connect(user, since=since | {"me": 1}) as two,
    ):
        assert [frame["seq"] for frame in one.notifications(1)] == [4]
        assert [frame["seq"] for frame in two.notifications(3)] == [2, 3, 4]


def test_beyond_the_tail_the_database_answers(node, backend, short_tail, user):
    since = warm(node, backend, user)
    short_tail.publish(user, count=10)
    with node.connect(user, since=since) as client:
        welcome = client.wait("welcome")
        frames = client.notifications(10)
        caught_up = client.wait("caught_up")

    assert (welcome["recovered"], welcome["me"]) == (None, 1)
    assert [frame["seq"] for frame in frames] == list(range(2, 12))
    assert (caught_up["me"], caught_up["recovered"]) == (11, True)
    assert backend.job_names().count("replay") == 1


def test_frames_that_come_during_a_replay_wait_for_its_end(node, backend, short_tail, user):
    since = warm(node, backend, user)
    short_tail.publish(user, count=10)
    backend.mute.add("replay")
    with node.connect(user, since=since) as client:
        client.wait("welcome")
        wait_until(lambda: "replay" in backend.job_names())
        backend.publish(user)
        backend.mute.clear()
        frames = client.notifications(11)
        seqs = [frame["seq"] for frame in frames]

    assert seqs == list(range(2, 13))
    assert backend.job_names().count("replay") == 2, (
        "the first was never answered, so it was asked for once more"
    )


def test_a_replay_that_is_never_answered_ends_as_not_recovered(node, backend, short_tail, user):
    since = warm(node, backend, user)
    short_tail.publish(user, count=10)
    backend.mute.add("replay")
    with node.connect(user, since=since) as client:
        client.wait("welcome")
        caught_up = client.wait("caught_up")
        backend.publish(user)
        frame = client.wait("notification")

    assert (caught_up["me"], caught_up["recovered"]) == (11, False)
    assert (frame["prev"], frame["seq"]) == (11, 12)


def test_what_the_database_no_longer_has_is_not_recovered(node, backend, short_tail, user):
    since = warm(node, backend, user)
    short_tail.publish(user, count=10)
    backend.lost_history = True
    with node.connect(user, since=since) as client:
        client.wait("welcome")
        assert client.wait("caught_up")["recovered"] is False


def test_another_epoch_is_not_recovered(node, backend, user):
    since = warm(node, backend, user, count=3)
    with node.connect(user, since=since | {"epoch": "other"}) as client:
        welcome = client.wait("welcome")
        backend.publish(user)
        frame = client.wait("notification")

    assert (welcome["recovered"], welcome["me"], welcome["epoch"]) == (False, 3, "e0")
    assert frame["seq"] == 4


def test_a_client_ahead_of_everything_is_not_recovered(node, backend, user):
    since = warm(node, backend, user)
    with node.connect(user, since=since | {"me": 500}) as client:
        assert client.wait("welcome")["recovered"] is None
        caught_up = client.wait("caught_up")

    assert (caught_up["me"], caught_up["recovered"]) == (1, False)


def test_a_client_ahead_of_a_redis_that_forgot_is_recovered(node, backend, user):
    since = warm(node, backend, user, count=3)
    backend.client.hset(f"stream:main:{user}", mapping={"top": 1, "rev": 1})
    backend.of(user).rev += 1
    with node.connect(user, since=since) as client:
        assert client.online()["recovered"] is True


def test_a_user_whose_record_is_gone_resumes_through_the_database(node, backend, user):
    since = warm(node, backend, user, count=2)
    backend.store(user)
    backend.client.delete(f"stream:main:{user}", f"tail:me:main:{user}")
    with node.connect(user, since=since) as client:
        assert client.online()["recovered"] is True
        assert [frame["seq"] for frame in client.seen if frame["type"] == "notification"] == [3]


def test_a_worker_that_never_answers_a_sync_costs_the_connection(node, backend, user):
    backend.mute.add("sync")
    with node.connect(user) as client:
        client.wait("welcome")
        bye = client.wait("bye")
        closed = client.closed()

    assert (bye["code"], bye["reconnect"], closed.code) == (4010, True, 4010)
    assert backend.job_names().count("sync") >= 1


def test_the_newest_hundred_of_everyone_for_who_never_saw_any(node, backend, short_tail, user):
    for _ in range(110):
        short_tail.broadcast()
    with node.connect(user) as client:
        welcome = client.wait("welcome")
        caught_up = client.wait("caught_up")
        shown = [frame["seq"] for frame in client.seen if frame.get("stream") == "all"]

    top = backend.everyone[-1].seq
    assert welcome["all"] is None
    assert shown == list(range(top - 99, top + 1))
    assert caught_up["all"] == top
