"""A connection follows its streams: welcome, live frames, everyone, acks, marks."""

from tests.integration.wsnode.client import wait_until


def test_a_new_user_is_welcomed_and_follows_live(node, backend, user):
    with node.connect(user) as client:
        welcome = client.online()
        backend.publish(user, count=2)
        first, second = client.notifications(2)

    assert (welcome["user"], welcome["epoch"], welcome["me"]) == (user, "e0", 0)
    assert welcome["connection"]
    assert welcome["expires_at"].endswith("Z")
    assert (first["seq"], first["prev"], second["seq"], second["prev"]) == (1, 0, 2, 1)
    assert first["data"]["n"] == 1
    assert list(first) == ["type", "stream", "seq", "prev", "id", "event", "data", "sent_at", "expires_at"]


def test_a_user_redis_does_not_know_gets_nulls_then_counts_and_the_end(node, backend, user):
    backend.store(user, count=2)
    with node.connect(user) as client:
        welcome = client.wait("welcome")
        state = client.wait("state")
        frames = client.notifications(2)
        caught_up = client.wait("caught_up")

    assert [welcome[name] for name in ("me", "all", "recovered", "counts", "rev")] == [None] * 5
    assert state["counts"]["total"] == 2
    assert state["rev"] == 1
    assert [frame["seq"] for frame in frames] == [1, 2]
    assert (caught_up["me"], caught_up["recovered"]) == (2, True)


def test_a_state_of_another_device_waits_for_the_welcome(node, backend, user):
    backend.client.delete("app:main")  # no epoch is known: the welcome waits for a worker
    backend.mute.add("sync")
    with node.connect(user) as client:
        wait_until(lambda: "sync" in backend.job_names())
        counts = {"total": 1, "unseen": 0, "unread": 0, "archived": 0}
        state = {"type": "state", "ids": ["i"], "read_at": None, "counts": counts, "rev": 7}
        assert backend.tell_state(user, state) == 1
        assert client.quiet(0.2)
        backend.answer_syncs()
        frames = [client.next(), client.next()]

    assert [frame["type"] for frame in frames] == ["welcome", "state"]
    assert frames[1] == state


def test_two_connections_of_a_user_both_get_everything(node, backend, user):
    with node.connect(user) as one, node.connect(user) as two:
        one.online()
        two.online()
        backend.publish(user, count=3)
        seen = [[frame["seq"] for frame in client.notifications(3)] for client in (one, two)]

    assert seen == [[1, 2, 3], [1, 2, 3]]


def test_the_first_connection_stays_when_the_second_leaves(node, backend, user):
    with node.connect(user) as one:
        one.online()
        with node.connect(user) as two:
            two.online()
        connections = node.metric("bellhop_connections")
        wait_until(lambda: node.metric("bellhop_connections") <= connections)
        backend.publish(user)
        assert one.wait("notification")["seq"] == 1


def test_everyone_gets_a_broadcast_and_the_excluded_a_position(node, backend, user):
    with node.connect(user) as one, node.connect(f"{user} b") as two:
        at = one.online()["all"]
        two.online()
        backend.broadcast(excluded=(f"{user} b",))
        backend.broadcast()
        first, second = one.notifications(2)
        position = two.wait("position")
        after = two.wait("notification")

    assert [first["stream"], first["prev"], first["seq"], second["seq"]] == ["all", at, at + 1, at + 2]
    assert (position["stream"], position["prev"], position["seq"]) == ("all", at, at + 1)
    assert after["seq"] == at + 2


def test_an_expired_frame_becomes_a_position(node, backend, user):
    with node.connect(user) as client:
        client.online()
        backend.publish(user, ttl=-1)
        backend.publish(user)
        assert client.wait("position") == {"type": "position", "stream": "me", "prev": 0, "seq": 1}
        assert client.wait("notification")["seq"] == 2


def test_frames_of_many_in_one_message_arrive_in_order(node, backend, user):
    with node.connect(user) as client:
        client.online()
        for _ in range(20):
            backend.publish(user, count=25)
            backend.broadcast()
        frames = client.notifications(520)

    mine = [frame["seq"] for frame in frames if frame["stream"] == "me"]
    assert mine == list(range(1, 501))
    others = [frame["seq"] for frame in frames if frame["stream"] == "all"]
    assert others == list(range(others[0], others[0] + 20))


def test_a_big_frame_arrives_whole(node, backend, user):
    with node.connect(user) as client:
        client.online()
        backend.publish(user, size=250_000)
        assert len(client.wait("notification")["data"]["text"]) == 250_001


def test_acks_are_merged_clamped_and_one_job_is_asked_for(node, backend, user):
    with node.connect(user) as client:
        client.online()
        backend.publish(user, count=3)
        client.notifications(3)
        client.send(type="ack", me=2)
        client.send(type="ack", me=99, all=99)
        wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"3 0")
        wait_until(lambda: "receipts" in backend.job_names())
        assert backend.client.hget(f"stream:main:{user}", "acked") == b"3"


def test_a_mark_is_answered_and_told_to_the_users_other_devices(node, backend, user):
    with node.connect(user) as one, node.connect(user) as two:
        one.online()
        two.online()
        backend.publish(user)
        notice = one.wait("notification")["id"]
        one.send(type="read", ids=[notice], ref="r1")
        reply = one.wait("reply")
        state = two.wait("state", where=lambda frame: frame["ids"] != [])
        one.send(type="ping", ref=1)
        one.wait("pong")

    assert reply == {"type": "reply", "ref": "r1", "result": {"changed": 1, "counts": state["counts"]}}
    assert state["ids"] == [notice]
    assert not [frame for frame in one.seen if frame["type"] == "state" and frame["ids"]]
    job = next(kwargs for name, kwargs in backend.jobs if name == "bellhop.mark")
    assert (job["user"], job["action"], job["ids"], job["ref"]) == (user, "read", [notice], "r1")


def test_a_mark_that_nobody_answers_gets_a_retryable_error_within_5_seconds(node, backend, user):
    backend.mute.add("mark")
    with node.connect(user) as client:
        client.online()
        backend.publish(user)
        client.send(type="seen", ids=[client.wait("notification")["id"]], ref=7)
        error = client.wait("error")

    assert (error["ref"], error["code"], error["retryable"]) == (7, "timeout", True)


def test_a_ref_that_waits_cannot_be_used_again(node, backend, user):
    backend.mute.add("mark")
    with node.connect(user) as client:
        client.online()
        backend.publish(user)
        notice = client.wait("notification")["id"]
        client.send(type="read", ids=[notice], ref="same")
        client.send(type="read", ids=[notice], ref="same")
        assert client.wait("error")["code"] == "invalid_request"


def test_unknown_types_and_fields_do_no_harm(node, backend, user):
    with node.connect(user) as client:
        client.online()
        client.send(type="dance", ref="r", partner="x")
        error = client.wait("error")
        client.send(type="ping", colour="green")
        assert client.wait("pong") == {"type": "pong"}

    assert (error["code"], error["ref"], error["retryable"]) == ("unknown_type", "r", False)


def test_signing_in_twice_is_an_error_and_no_more(node, backend, user):
    with node.connect(user) as client:
        client.online()
        client.send(type="auth", token=node.token(user))
        assert client.wait("error")["code"] == "conflict"
        client.send(type="ping")
        assert client.wait("pong")


def test_a_left_user_is_no_longer_present(node, backend, user):
    with node.connect(user) as client:
        client.online()
        key = f"stream:main:{user}"
        assert backend.client.hget(key, "nodes")
    wait_until(lambda: backend.client.hget(key, "nodes") == b"")
    backend.publish(user)
    assert backend.client.zcard(f"tail:me:main:{user}") == 1
