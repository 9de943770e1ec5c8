"""The rights that deploy/redis_users.acl gives each process in Redis: they are enough for all that it does.

The processes of the Procfile run with a user of their own each. Whatever the server refuses stands in its ACL LOG.
"""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http
from tests.e2e.redis_users import Guarded
from tests.integration.wsnode.client import Client
from tests.integration.wsnode.poller import Poller

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ENV = {"BELLHOP_PRESENCE_GRACE": "0.5", "BELLHOP_DRAIN_WINDOW": "0.5", "BELLHOP_PRESENCE_BROADCAST": "true"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with Guarded(tmp_path_factory.mktemp("users"), ENV) as found:
        yield found


@pytest.fixture
def http(guarded: Guarded) -> Http:
    return Http(guarded.system.url("api"), guarded.system.api_key)


@pytest.fixture(autouse=True)
def nothing_refused_before(guarded: Guarded) -> None:
    guarded.redis.forget()


def port(guarded: Guarded, node: int = 0) -> int:
    return int(guarded.system.url("node", node).rpartition(":")[2])


def sign_in(guarded: Guarded, name: str) -> dict[str, str]:
    """What somebody who registers, signs in and refreshes has afterwards."""
    nobody = Http(guarded.system.url("api"), "")
    who = {"username": name, "password": "a long pass phrase"}
    assert nobody.post("/v1/auth/register", who).status == 201
    first = nobody.post("/v1/auth/login", who).body
    again = nobody.post("/v1/auth/refresh", {"refresh": first["refresh"]})
    assert again.status == 200, again
    return again.body


def by_ticket(guarded: Guarded, access: str, node: int = 0) -> Client:
    ticket = Http(guarded.system.url("api"), access).post("/v1/auth/ws-ticket", {}).body["ticket"]
    return Client(port(guarded, node), path=f"/ws?ticket={ticket}")


def notifications(guarded: Guarded, http: Http) -> None:
    """Posts by key, once and to whole audiences, in and out of sockets, inbox, marks, cancelling."""
    access = sign_in(guarded, "ana")["access"]
    own = Http(http.base, access)
    with by_ticket(guarded, access) as first, by_ticket(guarded, access, 1) as second:
        first.online(), second.online()
        note = {"to": {"users": ["ana"]}, "event": "e", "cancel_key": "c", "collapse_key": "k"}
        sent = http.post("/v1/notifications", note, idempotency_key="once").body["id"]
        assert http.post("/v1/notifications", note, idempotency_key="once").body["id"] == sent
        for client in (first, second):
            assert client.notifications(1)[0]["id"] == sent
        first.send(type="ack", me=1)
        first.send(type="read", ids=[sent], ref="r")
        assert first.wait("reply", "error")["type"] == "reply"
        second.wait("state")
        first.send(type="send", to={"users": ["ana"]}, event="self", key="s", ref="s")
        said = first.wait("reply", "error")["result"]["id"]
        assert second.wait("notification")["id"] == said
        first.send(type="archive", ids=[said], ref="a")
        assert first.wait("reply", "error")["type"] == "reply"
        assert http.post(f"/v1/notifications/{sent}/cancel", {}).status in (200, 202)
        second.wait("retract")

        assert http.call("PUT", "/v1/topics/t/subscribers/ana").status in (200, 201, 204)
        many = [
            {"to": {"topics": ["t"]}, "event": "topic"},
            {"to": {"everyone": True}, "event": "all", "priority": "critical"},
            {"to": {"everyone": True, "exclude": {"users": ["ana"]}}, "event": "others", "priority": "bulk"},
            {"to": {"users": [f"away-{n}" for n in range(50)]}, "event": "away", "priority": "bulk"},
        ]
        answer = http.post("/v1/notifications/batch", {"notifications": many})
        assert answer.status == 202, answer
        ids = [item["id"] for item in answer.body["items"]]
        seen = {frame["id"] for frame in (second.wait("notification"), second.wait("notification"))}
        assert seen == set(ids[:2])
        cancelled = http.post(f"/v1/notifications/{ids[1]}/cancel", {})
        assert cancelled.status in (200, 202), cancelled
        second.wait("retract")
    wait_until(lambda: http.get(f"/v1/notifications/{ids[3]}").body.get("status") == "sent", 20, "bulk")
    assert own.get("/v1/inbox").body["items"]
    assert own.get("/v1/inbox/counts").status == 200
    assert own.post("/v1/inbox/read", {"all": True}).status in (200, 204, 404, 405, 422)
    assert http.get(f"/v1/notifications/{ids[3]}/deliveries").body["items"]
    assert http.get("/v1/dead-letters").status == 200


def coming_back(guarded: Guarded, http: Http) -> None:
    """A device that was away: its tail is in Redis; one that was never there: a worker reads the database."""
    with Device(guarded.system, "ben") as ben:
        first = http.notify("ben")
        ben.sees(first)
        storage = ben.storage
    missed = http.notify("ben")
    with Device(guarded.system, "ben", storage=storage, nodes=[1]) as ben:
        ben.sees(missed)
    waiting = http.notify("cyd")
    with Device(guarded.system, "cyd") as cyd:
        cyd.sees(waiting)


def socketio(guarded: Guarded, http: Http) -> None:
    poller = Poller(port(guarded))
    assert poller.join(token=guarded.system.token("dora")).startswith("40")
    sent = http.notify("dora")
    assert sent in poller.wait('42["new_notification"')
    poller.post('421["send_notification",{"recipientId":"dora","message":"hi"}]')
    assert '"success":true' in poller.wait("431")
    poller.wait('42["new_notification"')
    poller.post("41")


def classic(guarded: Guarded, http: Http) -> None:
    with Client(port(guarded), path=f"/?token={guarded.system.token('jo')}") as jo:
        jo.send(type="message", to="jo", content="hi")
        told = [jo.next(), jo.next()]
        assert {frame.get("status", frame.get("type")) for frame in told} == {"sent", "NOTIFICATION"}


def presence(guarded: Guarded, http: Http) -> None:
    with Client(port(guarded), token=guarded.system.token("eve")) as eve:
        eve.online()
        eve.send(type="watch", users=["fay"], ref=1)
        assert eve.wait("reply", "error")["result"]["users"] == [{"user": "fay", "online": False}]
        with Client(port(guarded, 1), token=guarded.system.token("fay")) as fay:
            fay.online()
            assert eve.wait("signal")["online"] is True
            wait_until(lambda: http.get("/v1/users/fay/presence").body["online"], 10, "fay is online")
            assert http.post("/v1/presence", {"users": ["eve", "fay"]}).status == 200
        assert eve.wait("signal")["online"] is False
        eve.send(type="unwatch", ref=2)
        assert eve.wait("reply", "error")["type"] == "reply"
    path = "/v1/users/fay/connections"
    wait_until(lambda: '"code": 1' in str(http.get(path).body).replace("'", '"'), 15, "the end is logged")


def schedules(guarded: Guarded, http: Http) -> None:
    with Device(guarded.system, "gil", nodes=[1]) as gil:
        when = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        later = http.notify("gil", send_at=when)
        made = http.post(
            "/v1/schedules", {"every": 1, "notification": {"to": {"users": ["gil"]}, "event": "tick"}}
        )
        gil.sees(later)
        wait_until(lambda: any(frame["event"] == "tick" for frame in gil.shown), 20, "a tick")
        assert http.call("DELETE", f"/v1/schedules/{made.body['id']}").status == 204


def endings(guarded: Guarded, http: Http) -> None:
    """A session is ended, a user disabled: the sockets on both nodes go."""
    access = sign_in(guarded, "hal")["access"]
    with by_ticket(guarded, access, 1) as client:
        client.online()
        assert Http(http.base, access).post("/v1/auth/logout", {}).status == 204
        assert client.closed().code == 4001
    assert Http(http.base, access).get("/v1/inbox").status == 401
    token = guarded.system.token("hal")
    with Client(port(guarded), token=token) as client:
        client.online()
        assert http.post("/v1/users/hal/disable", {}).status == 200
        assert client.closed().code == 4001
        assert http.post("/v1/users/hal/enable", {}).status == 200


def going_away(guarded: Guarded, http: Http) -> None:
    """A node drains and comes back, each worker too, and Redis forgets a user's stream."""
    with Client(port(guarded), token=guarded.system.token("ida")) as ida:
        ida.online()
        guarded.system.hold("node", 0)
        assert ida.closed().code == 4012
    guarded.system.release("node", 0)
    for name in ("worker", "worker_bulk", "beat"):
        guarded.system.restart(name)
    guarded.system.ready()
    with Device(guarded.system, "ida") as ida:
        ida.sees(http.notify("ida"))


def recovering(guarded: Guarded, http: Http) -> None:
    """Redis forgets all scripts and hangs up on everybody, as at a restart."""
    with Device(guarded.system, "kim") as kim:
        with guarded.redis.operated() as client:
            client.script_flush()
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        guarded.system.ready(40)
        wait_until(lambda: http.get("/readiness").status == 200, 20, "the api has Redis again")
        kim.sees(http.notify("kim"), seconds=30)


def flower(guarded: Guarded, http: Http) -> None:
    """Its pages; it asks the workers over Redis and hears what they tell."""
    settings = guarded.system.settings
    password = guarded.system.data.flower_password.read_text().strip()
    basic = base64.b64encode(f"{settings.flower_user}:{password}".encode()).decode()
    page = Http(guarded.system.url("flower"), "")

    def ask(path: str) -> object:
        answer = page.get(path, Authorization=f"Basic {basic}")
        assert answer.status == 200, answer
        return answer.body

    wait_until(lambda: re.search("worker_bulk@", str(ask("/workers?json=1"))), 30, "it hears of the workers")
    wait_until(lambda: "active_queues" in str(ask("/api/workers?refresh=1")), 30, "the workers answer it")
    assert "critical" in str(ask("/broker"))
    ask("/tasks")


STEPS: tuple[Callable[[Guarded, Http], None], ...] = (
    # What goes to everyone comes after those who read whatever comes.
    coming_back, socketio, classic, presence, notifications, schedules, endings, going_away, recovering, flower,
)  # fmt: skip


def test_nothing_that_they_do_is_refused(guarded: Guarded, http: Http):
    for step in STEPS:
        step(guarded, http)
    assert guarded.redis.refused() == []
    assert not [name for name, text in guarded.logs().items() if "NOPERM" in text]


def disable(guarded: Guarded, http: Http) -> None:
    http.post("/v1/users/lee/disable", {})


def notify(guarded: Guarded, http: Http) -> None:
    http.notify("max")


def restart_a_node(guarded: Guarded, http: Http) -> None:
    guarded.system.restart("node", 1)


def wait(guarded: Guarded, http: Http) -> None:
    """Beat needs nobody to tell it."""


@pytest.mark.parametrize(
    ("user", "command", "where", "act"),
    [
        ("api", "publish", "lua", disable),
        ("worker", "zrem", "lua", notify),
        ("node", "srem", "multi", restart_a_node),
        ("beat", "lpush", "toplevel", wait),
        ("flower", "publish", "toplevel", flower),
    ],
)
def test_one_command_less_would_have_been_noticed(
    guarded: Guarded, http: Http, user: str, command: str, where: str, act: Callable[[Guarded, Http], None]
):
    """The negative control: without it something of the above is refused, and the list says so."""
    with guarded.redis.operated() as client:
        client.execute_command("ACL", "SETUSER", user, f"-{command}")
        try:
            with suppress(AssertionError, OSError):
                act(guarded, http)
            refusal = f"{user} command {command} {where}"
            wait_until(lambda: refusal in guarded.redis.refused(), 20, f"{refusal} is told")
        finally:
            client.execute_command("ACL", "SETUSER", user, f"+{command}")
