"""The one public port: where each path goes, who goes on when something is killed, and what nginx lets in and says."""

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest
import requests
from bellhop_client import Bellhop, MemoryStorage

from tests.deploy.conftest import LIMIT, Behind, status_of
from tests.deploy.edge import Edge
from tests.e2e.device import wait_until
from tests.e2e.http import Http
from tests.integration.wsnode.client import PING, PONG, Client, Refused, frame

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    """One request as it stands; (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def answered_by(edge: Edge, path: str, **headers: str) -> str:
    """Who was asked: `api`, `node`, `flower`, or nobody."""
    mark = f"t{time.monotonic_ns()}"
    ask(edge.port, path, X_Request_Id=mark, **headers)
    wait_until(lambda: mark in edge.log, 5, "the line in the log")
    upstream = next(line["upstream"] for line in edge.lines() if line["request_id"] == mark)
    places = edge.places
    known = {
        places.flower: "flower",
        **dict.fromkeys(places.apis, "api"),
        **dict.fromkeys(places.nodes, "node"),
    }
    return known[int(upstream.rpartition(":")[2])] if upstream else "nobody"


@pytest.mark.parametrize(
    ("path", "upgrade", "who"),
    [
        ("/ws", True, "node"),
        ("/ws", False, "node"),
        ("/ws?token=x", True, "node"),
        ("/socket", True, "node"),
        ("/socket?session=x", True, "node"),
        ("/", True, "node"),
        ("/", False, "api"),
        ("/socket.io/?EIO=4&transport=polling", False, "node"),
        ("/socket.io/?EIO=4&transport=websocket", True, "node"),
        ("/socket.io", False, "node"),
        ("/flower/", False, "flower"),
        ("/flower/static/css/flower.css", False, "flower"),
        ("/v1/notifications", False, "api"),
        ("/v1/notifications", True, "api"),
        ("/notification", False, "api"),
        ("/notify", False, "api"),
        ("/webhook/notify", False, "api"),
        ("/auth", False, "api"),
        ("/health", False, "api"),
        ("/readiness", False, "api"),
        ("/openapi.json", False, "api"),
        ("/console", False, "api"),
        ("/wsx", True, "api"),
        ("/socketx", True, "api"),
        ("/metrics", False, "nobody"),
        ("//metrics", False, "nobody"),
        ("/%6detrics?x", False, "nobody"),
        ("/v1/../metrics", False, "nobody"),
        ("/flower/metrics", False, "nobody"),
        ("/flower/healthcheck", False, "nobody"),
    ],
)
def test_each_path_has_its_upstream(edge: Edge, whole: Behind, path: str, upgrade: bool, who: str):
    assert answered_by(edge, path, **(UPGRADE if upgrade else {})) == who


def test_a_path_arrives_as_it_was_written(http: Http):
    there = http.call("PUT", "/v1/topics/project%2F42/subscribers/ana%20b")
    assert there.status in (200, 201, 204)
    listed = http.get("/v1/topics/project%2F42/subscribers").body
    assert [item.get("user", item.get("id")) for item in listed["items"]] == ["ana b"]


def test_a_notification_goes_in_and_out_by_the_one_port(edge: Edge, http: Http, whole: Behind):
    with Client(edge.port, token=whole.system.token("edge-1")) as client:
        client.online()
        sent = http.notify("edge-1", data={"message": "through"})
        assert client.notifications(1)[0]["id"] == sent


@pytest.mark.parametrize("path", ["/ws", "/socket", "/"])
def test_each_path_of_the_nodes_opens_a_socket(edge: Edge, whole: Behind, path: str):
    token = whole.system.token("edge-7")
    with Client(edge.port, path=f"{path}?token={token}") as client:
        assert client.status == 101
        # It lives, on whichever node, as long as somebody pings.
        client.raw(frame(b"are you there", opcode=PING))
        while client.read().opcode != PONG:
            pass
    wait_until(
        lambda: any(line["path"] == path and line["status"] == 101 for line in edge.lines()), 5, "its line"
    )
    assert token not in edge.log


def test_flower_asks_for_its_password_and_finds_its_files_below_its_path(edge: Edge, whole: Behind):
    password = whole.system.data.flower_password.read_text().strip()
    basic = {"auth": (whole.system.settings.flower_user, password)}
    assert requests.get(f"{edge.url}/flower/", timeout=15).status_code == 401
    assert requests.get(f"{edge.url}/flower/api/workers", timeout=15).status_code == 401
    page = requests.get(f"{edge.url}/flower/", timeout=15, **basic)
    assert page.status_code == 200
    assert "/flower/static/css/flower.css" in page.text
    assert requests.get(f"{edge.url}/flower/static/css/flower.css", timeout=15, **basic).status_code == 200
    workers = requests.get(f"{edge.url}/flower/workers?json=1", timeout=15, **basic)
    assert workers.status_code == 200 and "data" in workers.json(), "what its pages ask for"
    assert status_of(f"{edge.url}/flower") == 401, "sent on to /flower/"


def test_guessing_flowers_password_is_slowed_down(edge: Edge, whole: Behind):
    answers = [ask(edge.port, "/flower/api/workers") for _ in range(150)]
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {401, 429}
    body = next(json.loads(body) for status, _, body in answers if status == 429)
    assert body["error"]["code"] == "too_many_requests"


class TestFailover:
    """Whoever is killed is not missed."""

    def test_a_killed_node_takes_no_new_connection_with_it_and_its_clients_go_on(
        self, edge: Edge, http: Http, whole: Behind
    ):
        shown: list[dict] = []
        client = Bellhop(
            f"ws://127.0.0.1:{edge.port}/ws", whole.system.token("edge-2"), storage=MemoryStorage()
        )
        client.on("notification", shown.append)
        try:
            client.start()
            wait_until(lambda: client.status == "online", 30, "online")
            first = http.notify("edge-2")
            wait_until(lambda: [frame["id"] for frame in shown] == [first], 15, "the first")

            # Whichever node it is on, one of the two kills hits it.
            sent = [first]
            for index in (0, 1):
                whole.system.hold("node", index, patience=0)
                with ExitStack() as stack:
                    for _ in range(10):
                        one = Client(edge.port, token=whole.system.token("edge-3"))
                        stack.enter_context(one).online()
                sent.append(http.notify("edge-2"))
                wait_until(lambda: len(shown) >= len(sent), 30, "what came after the kill")
                whole.system.release("node", index)
                whole.system.ready()
            assert [frame["id"] for frame in shown] == sent
        finally:
            client.stop()
            for index in (0, 1):
                whole.system.release("node", index)

    def test_while_a_node_drains_every_handshake_succeeds(self, edge: Edge, whole: Behind):
        draining = threading.Thread(target=whole.system.hold, args=("node", 0))
        with ExitStack() as stack:
            for _ in range(6):
                stack.enter_context(Client(edge.port, token=whole.system.token("edge-4"))).online()
            try:
                draining.start()
                handshakes = 0
                while draining.is_alive() or handshakes < 6:
                    with Client(edge.port, token=whole.system.token("edge-4")) as after:
                        after.online()
                    handshakes += 1
                    draining.join(0.05)
            finally:
                draining.join()
                whole.system.release("node", 0)

    def test_posts_succeed_while_an_api_is_killed_and_say_so_when_both_are(self, edge: Edge, whole: Behind):
        http = Http(edge.url, whole.system.api_key)
        note = {"to": {"users": ["edge-5"]}, "event": "e"}
        whole.kill_second_api()
        # What was on its way to the one that died is not sent twice by nginx; whoever sent it may, with its key.
        first = [http.post("/v1/notifications", note, idempotency_key=f"k{n}") for n in range(20)]
        again = [http.post("/v1/notifications", note, idempotency_key=f"k{n}") for n in range(20)]
        assert [answer.status for answer in first].count(202) >= 19
        assert [answer.status for answer in again] == [202] * 20
        assert len({answer.body["id"] for answer in first + again if answer.status == 202}) == 20

        whole.system.hold("api", patience=0)
        answer = http.post("/v1/notifications", note, x_request_id="mine-1")
        assert answer.status == 503
        assert answer.body["error"] == {
            "code": "unavailable",
            "message": "Not available just now; try again.",
            "retryable": True,
            "request_id": "mine-1",
        }
        assert answer.headers["retry-after"] == "2"

        whole.start_second_api()
        assert http.post("/v1/notifications", note).status == 202, (
            "at once: who is left out is tried nevertheless"
        )
        whole.system.release("api")


class TestWalls:
    """What nginx refuses, and that nobody can pass for somebody else."""

    def test_a_body_beyond_every_bound_is_refused_before_it_is_read(self, edge: Edge, whole: Behind):
        connection = socket.create_connection(("127.0.0.1", edge.port), timeout=10)
        with connection:
            head = "POST /v1/notifications/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\r\n"
            connection.sendall(head.encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 413
            assert json.loads(answer.read())["error"]["code"] == "body_too_large"

    def test_a_batch_as_large_as_the_api_takes_passes(self, http: Http):
        items = [
            {"to": {"users": ["edge-6"]}, "event": "e", "data": {"text": "x" * 3500}} for _ in range(1000)
        ]
        answer = http.post("/v1/notifications/batch", {"notifications": items})
        assert answer.status == 202, answer

    def test_a_head_that_trickles_is_cut_off(self, edge: Edge):
        with socket.create_connection(("127.0.0.1", edge.port), timeout=0.5) as slow:
            begun = time.monotonic()
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            closed = False
            while not closed and time.monotonic() - begun < 20:
                try:
                    closed = slow.recv(1000) == b""
                except TimeoutError:
                    slow.sendall(b"X-A: b\r\n")
                except OSError:
                    closed = True
            assert closed and 5 < time.monotonic() - begun < 15

    def test_an_address_that_a_stranger_writes_counts_for_nothing(self, edge: Edge, whole: Behind):
        """nginx is the edge: here everybody comes from loopback, which is not counted, whatever they say."""
        lies = {
            "X_Forwarded_For": "198.51.100.1",
            "Forwarded": "for=198.51.100.1",
            "X_Real_IP": "198.51.100.1",
        }
        statuses = [ask(edge.port, "/v1/inbox", **lies)[0] for _ in range(LIMIT + 3)]
        assert statuses == [401] * (LIMIT + 3)

    def test_an_outer_proxy_that_is_named_may_say_whose_request_it_is(self, whole: Behind, tmp_path):
        with Edge(
            whole.places, edits={"#   set_real_ip_from 10.0.0.0/8": "set_real_ip_from 127.0.0.1"}
        ) as edge:
            one = {"X_Forwarded_For": "203.0.113.9, 198.51.100.2", "X_Forwarded_Proto": "https"}
            answers = [ask(edge.port, "/v1/inbox", **one) for _ in range(LIMIT + 1)]
            assert [status for status, _, _ in answers] == [401] * LIMIT + [429]
            assert "Strict-Transport-Security" in answers[0][1]
            # Not the first of the list, which anybody can write, but whom the proxy saw.
            other = {"X_Forwarded_For": "203.0.113.9, 198.51.100.3"}
            assert ask(edge.port, "/v1/inbox", **other)[0] == 401

    def test_a_request_has_one_id_in_all_logs(self, edge: Edge, http: Http, whole: Behind):
        given = http.get("/v1/notifications", x_request_id="order-17").headers["x-request-id"]
        assert given == "order-17"
        made = http.get("/v1/notifications", x_request_id="not good").headers["x-request-id"]
        assert made != "not good"
        wait_until(lambda: f'"request_id":"{made}"' in edge.log, 5, "nginx's line")
        assert http.get("/v1/notifications").headers["server"] == "nginx"

    def test_a_bad_token_is_refused_by_the_node_and_the_answer_passes(self, edge: Edge, whole: Behind):
        with pytest.raises(Refused) as refused:
            Client(edge.port, token="nonsense")
        assert refused.value.error["code"] == "token_invalid"
