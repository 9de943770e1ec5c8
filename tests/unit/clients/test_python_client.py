"""The Python shell: thread, storage, sign-in and replies around the machine."""

import threading

import pytest
from bellhop_client import Bellhop, FileStorage, MemoryStorage, RequestFailed, Tuning
from bellhop_client.transport import Closed

from tests.unit.clients.wire import PATIENCE, WELCOME, Heard, Wire, World, note

URL = "ws://one.example/ws"
EVENTS = ("notification", "status", "lost", "error", "failed", "acked", "counts")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def make(world):
    """Makes clients on the fake world, with everything they tell noted in `client.heard`; stops them at the end."""
    made = []

    def build(url=URL, token="tok", **options):
        client = Bellhop(url, token, outside=world.outside, **options)
        client.heard = Heard()
        for event in EVENTS:
            client.on(event, client.heard.hear(event))
        made.append(client)
        return client

    yield build
    for client in made:
        client.stop()


def status_is(client, status):
    client.heard.until(lambda: any(s["status"] == status for s in client.heard.of("status")))


def shown(client, *ids):
    client.heard.until(lambda: [n["id"] for n in client.heard.of("notification")] == list(ids))


def started(client, world, *frames) -> Wire:
    """Start the client; its first connection is welcomed and given these frames."""
    wire = world.wire()
    client.start()
    wire.give(WELCOME, *frames)
    return wire


def test_token_goes_into_the_header_and_since_into_the_address(world, make):
    client = make(storage=MemoryStorage({"epoch": "e1", "me": 4, "all": 2}))

    started(client, world)
    status_is(client, "online")

    assert world.dialled == [(f"{URL}?epoch=e1&me=4&all=2", ["Authorization: Bearer tok"])]


def test_token_and_since_can_go_into_the_first_message(world, make):
    client = make(storage=MemoryStorage({"epoch": "e1", "me": 4}), sign_in="message")

    wire = started(client, world)

    assert wire.take() == {"type": "auth", "token": "tok", "since": {"epoch": "e1", "me": 4}}
    assert world.dialled == [(URL, [])]


def test_position_is_saved_after_the_handler_returned(world, make):
    storage = MemoryStorage()
    during = []
    client = make(storage=storage)
    client.on("notification", lambda _: during.append(storage.position["me"]))

    wire = started(client, world, note(5), note(6))
    assert wire.take() == {"type": "ack", "me": 6}

    assert during == [4, 5]
    assert storage.position == {"epoch": "e1", "me": 6, "all": 2} == client.position


def test_handler_that_raises_gets_the_notification_again(world, make):
    storage = MemoryStorage()
    client = make(storage=storage)
    troubles = [OSError("no space")]

    def write(_):
        if troubles:
            raise troubles.pop()

    client.on("notification", write)
    first = started(client, world, note(5), note(6))
    second = world.wire()
    second.give(WELCOME, note(5), note(6))
    shown(client, "n5", "n5", "n6")

    assert first.closed == (4000, "handler failed")
    assert world.dialled[1][0] == f"{URL}?epoch=e1&me=4&all=2"
    assert second.take() == {"type": "ack", "me": 6}


def test_reload_that_raises_is_asked_for_again(world, make):
    storage = MemoryStorage({"epoch": "e1", "me": 1, "all": 1})
    client = make(storage=storage)
    troubles = [OSError("HTTP is away")]

    def reload(_):
        if troubles:
            raise troubles.pop()

    client.on("lost", reload)
    world.wire().give({**WELCOME, "recovered": False})
    second = world.wire()
    second.give({**WELCOME, "recovered": False})
    client.start()

    assert second.take() == {"type": "ack", "me": 4, "all": 2}
    assert len(client.heard.of("lost")) == 2
    assert client.heard.of("lost")[0] == {
        "reason": "not_recovered",
        "position": {"epoch": "e1", "me": 4, "all": 2},
    }
    assert storage.position == {"epoch": "e1", "me": 4, "all": 2}


def test_stop_acknowledges_what_was_shown(world, make):
    client = make(tuning=Tuning(ack_after=1000))
    wire = started(client, world, note(5))
    shown(client, "n5")

    client.stop()

    assert wire.take() == {"type": "ack", "me": 5}
    assert wire.closed == (1000, "done")
    assert client.status == "stopped"


def test_stop_inside_a_handler_counts_what_it_showed_and_shows_no_more(world, make):
    client = make(storage=MemoryStorage())
    client.on("notification", lambda _: client.stop())

    wire = started(client, world, note(5), note(6))
    status_is(client, "stopped")

    assert wire.take() == {"type": "ack", "me": 5}
    assert [n["id"] for n in client.heard.of("notification")] == ["n5"]


def test_stop_ends_the_wait_for_the_next_attempt(world, make):
    client = make()
    world.refuse(Closed(1006, "refused with status 503", 3000.0))
    client.start()
    status_is(client, "offline")

    client.stop()

    assert client.heard.of("status")[-1]["status"] == "stopped"
    assert client.heard.of("status")[-2]["retry_in"] == 3000.0


def test_next_node_is_tried_after_a_connection_ended(world, make):
    client = make(url=[URL, "ws://two.example/ws"])

    started(client, world).end(1006)
    world.wire().give(WELCOME)
    client.heard.until(lambda: [s["status"] for s in client.heard.of("status")].count("online") == 2)

    assert [url for url, _ in world.dialled] == [URL, "ws://two.example/ws?epoch=e1&me=4&all=2"]


def test_code_that_says_stop_stops(world, make):
    client = make()

    started(client, world).end(4003, "forbidden")
    status_is(client, "stopped")

    assert client.heard.of("status")[-1] == {"status": "stopped", "code": 4003, "reason": "forbidden"}
    assert len(world.dialled) == 1


def test_token_function_is_asked_for_a_fresh_one_after_expiry_and_refusal(world, make):
    asked = []
    client = make(token=lambda renew: asked.append(renew) or f"tok{len(asked)}")

    started(client, world).end(4011, "token expired")
    world.refuse(Closed(4011, "401 token_expired: it has"))
    world.wire().end(1006)
    started_again = world.wire()
    started_again.give(WELCOME)
    client.heard.until(lambda: [s["status"] for s in client.heard.of("status")].count("online") == 2)

    assert asked == [False, True, True, True]
    assert world.dialled[3][1] == ["Authorization: Bearer tok4"]


def test_an_ending_token_is_renewed_on_the_connection(world, make):
    asked = []
    client = make(token=lambda renew: asked.append(renew) or f"tok{len(asked)}")
    wire = started(client, world)
    wire.give({"type": "expiring", "expires_at": "2026-03-01T10:00:00.000Z"})

    assert wire.take() == {"type": "refresh", "token": "tok2", "ref": "refresh"}
    assert asked == [False, True]
    assert len(world.dialled) == 1


def test_token_function_that_gives_none_ends_it(world, make):
    client = make(token=lambda _: None)

    client.start()
    status_is(client, "stopped")

    assert world.dialled == []


def test_token_function_that_raises_is_asked_again(world, make):
    answers = [OSError("no network"), "tok"]

    def token(_):
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    client = make(token=token)
    started(client, world)
    status_is(client, "online")

    assert client.heard.of("status")[1]["reason"] == "no token: no network"


def test_request_is_answered_on_any_thread(world, make):
    client = make()
    wire = started(client, world)
    status_is(client, "online")

    reply = client.read(["n5"])
    assert wire.take() == {"type": "read", "ids": ["n5"], "ref": "r1"}
    wire.give({"type": "reply", "ref": "r1", "result": {"changed": 1}})

    assert reply.result(PATIENCE) == {"changed": 1}


def test_what_is_sent_names_its_receivers_and_is_known_when_it_is_repeated(world, make):
    client = make()
    wire = started(client, world)
    status_is(client, "online")

    reply = client.send("bob", "chat", {"text": "hi"}, ttl=60)
    sent = wire.take()
    assert len(sent.pop("key")) == 32
    assert sent == {
        "type": "send",
        "to": {"users": ["bob"]},
        "event": "chat",
        "data": {"text": "hi"},
        "ttl": 60,
        "ref": "r1",
    }
    wire.give({"type": "reply", "ref": "r1", "result": {"id": "n9", "status": "accepted"}})

    assert reply.result(PATIENCE) == {"id": "n9", "status": "accepted"}


def test_who_is_watched_is_watched_again_after_a_cut(world, make):
    client = make()
    told = Heard()
    client.on("presence", told.hear("presence"))
    wire = started(client, world)
    status_is(client, "online")

    reply = client.watch("bob")
    assert wire.take() == {"type": "watch", "users": ["bob"], "ref": "r1"}
    state = {"users": [{"user": "bob", "online": False}]}
    wire.give({"type": "reply", "ref": "r1", "result": state})
    assert reply.result(PATIENCE) == state
    second = world.wire()
    second.give(WELCOME)
    wire.end(1006)
    assert second.take() == {"type": "watch", "users": ["bob"], "ref": "watch"}
    second.give({"type": "reply", "ref": "watch", "result": {"users": [{"user": "bob", "online": True}]}})
    told.until(lambda: told.of("presence") == [{"user": "bob", "online": True, "at": None}])
    client.unwatch()

    assert second.take() == {"type": "unwatch", "ref": "r2"}


def test_refused_request_raises_what_the_server_said(world, make):
    client = make()
    wire = started(client, world)
    status_is(client, "online")

    reply = client.archive(["n5"])
    wire.give({"type": "error", "ref": "r1", "code": "forbidden", "message": "not yours", "retryable": False})

    with pytest.raises(RequestFailed, match="forbidden: not yours") as failed:
        reply.result(PATIENCE)
    assert failed.value.code == "forbidden"
    assert not failed.value.retryable


def test_request_times_out_even_while_away(world, make):
    client = make(tuning=Tuning(request_wait=0.01))
    world.refuse(Closed(1006, "away", 3000.0))
    client.start()
    status_is(client, "offline")

    with pytest.raises(RequestFailed, match="timeout"):
        client.seen(["n5"]).result(PATIENCE)


def test_request_of_a_stopped_client_is_refused_at_once(world, make):
    client = make(token=lambda _: None)
    client.start()
    status_is(client, "stopped")

    with pytest.raises(RequestFailed, match="stopped"):
        client.read(["n5"]).result(PATIENCE)


def test_handler_may_ask_but_must_not_wait(world, make):
    client = make(tuning=Tuning(handler_attempts=1))
    client.on("notification", lambda n: client.read([n["id"]]).result())

    wire = started(client, world, note(5))

    assert wire.take()["type"] == "read"
    client.heard.until(lambda: bool(client.heard.of("failed")))
    assert "must not wait" in client.heard.of("failed")[0]["error"]


def test_storage_that_fails_is_told_and_does_not_stop_the_stream(world, make):
    class Full(MemoryStorage):
        def save(self, position):
            raise OSError("disk full")

    client = make(storage=Full())
    started(client, world, note(5), note(6))
    shown(client, "n5", "n6")

    assert client.heard.of("error")[0]["code"] == "storage"


def test_text_that_is_no_object_is_ignored(world, make):
    client = make()
    started(client, world, "hello", "[1]", "null", note(5))
    shown(client, "n5")


def test_listener_of_an_unknown_event_is_a_mistake(make):
    with pytest.raises(ValueError, match="no event 'notifications'"):
        make().on("notifications", print)


def test_listener_that_fails_harms_nobody(world, make):
    client = make()

    def broken(_):
        raise RuntimeError("oh")

    client.on("status", broken)
    started(client, world, note(5))
    shown(client, "n5")


def test_silent_connection_is_asked_and_given_up(world, make):
    client = make(tuning=Tuning(ping_after=0.01, pong_wait=0.01))
    wire = started(client, world)
    second = world.wire()
    second.give(WELCOME)

    assert wire.take() == {"type": "ping"}
    assert second.take() == {"type": "ping"}
    assert wire.closed == (4000, "silent")


def test_client_runs_on_the_callers_thread_too(world, make):
    client = make()
    wire = world.wire()
    wire.give(WELCOME, note(5))
    wire.end(4001, "bad token")

    client.run()

    assert [n["id"] for n in client.heard.of("notification")] == ["n5"]
    assert client.status == "stopped"


def test_with_statement_starts_and_stops(world):
    wire = world.wire()
    wire.give(WELCOME)
    with Bellhop(URL, "tok", outside=world.outside) as client:
        assert isinstance(client, Bellhop)

    assert wire.closed == (1000, "done")
    assert not [t for t in threading.enumerate() if t.name == "bellhop-client" and t.is_alive()]


def test_file_keeps_the_position(tmp_path):
    path = tmp_path / "position.json"
    FileStorage(path).save({"epoch": "e1", "me": 5})

    assert FileStorage(path).load() == {"epoch": "e1", "me": 5}
    assert [p.name for p in tmp_path.iterdir()] == ["position.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_file_that_holds_no_position_counts_as_none(tmp_path, text):
    path = tmp_path / "position.json"
    path.write_text(text)

    assert FileStorage(path).load() is None


def test_file_that_is_not_there_is_none(tmp_path):
    assert FileStorage(tmp_path / "nothing").load() is None
