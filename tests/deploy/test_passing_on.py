"""Whom nginx asks and what it says to them, seen from the other side: with stand-ins in the place of apis and nodes."""

import http.client
import json
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest

from shared.errors import NotFound
from shared.http_headers import DATA
from tests.deploy.edge import Edge, Places
from tests.deploy.stand_in import StandIn

pytestmark = pytest.mark.timeout(60)

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
TIMES = 12


class Stage:
    """Two apis and two nodes of straw behind nginx."""

    def __init__(self) -> None:
        self.apis = (StandIn(), StandIn())
        self.nodes = (StandIn(), StandIn())
        ports = [one.port for one in (*self.apis, *self.nodes)]
        self.edge = Edge(Places((ports[0], ports[1]), (ports[2], ports[3]), ports[0])).start()

    def close(self) -> None:
        self.edge.stop()
        for one in (*self.apis, *self.nodes):
            one.stop()

    def ask(self, path: str, method: str = "GET", **headers: str) -> "Answered":
        connection = http.client.HTTPConnection("127.0.0.1", self.edge.port, timeout=15)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, b"x" if method == "POST" else None, named)
            return Answered(connection.getresponse())
        finally:
            connection.close()

    def asked(self) -> list[tuple[str, str, dict[str, str]]]:
        return [request for one in (*self.apis, *self.nodes) for request in one.asked]


class Answered:
    """An answer, who gave it, and the cookie that came along."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers = answer.status, answer.headers
        body: dict[str, Any] = json.loads(answer.read() or b"{}")
        self.port = body.get("port")
        self.error = body.get("error", {})
        self.cookies = SimpleCookie(answer.headers.get("Set-Cookie", ""))

    @property
    def cookie(self) -> str | None:
        return self.cookies["bellhop_node"].value if "bellhop_node" in self.cookies else None


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


class TestSocketIoSessions:
    """A session stays with the node that began it."""

    def test_a_handshake_goes_anywhere_and_its_answer_names_the_node_in_a_cookie(self, stage: Stage):
        answers = [stage.ask(HANDSHAKE) for _ in range(TIMES)]
        assert {answer.port for answer in answers} == {node.port for node in stage.nodes}
        assert all(answer.cookie == str(answer.port) for answer in answers)
        cookie = answers[0].cookies["bellhop_node"]
        assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/socket.io/", True, "Lax")
        assert not cookie["secure"] and not cookie["max-age"] and not cookie["domain"]

    @pytest.mark.parametrize("index", [0, 1])
    def test_later_requests_follow_the_cookie_and_set_none(self, stage: Stage, index: int):
        port = stage.nodes[index].port
        for method in ("GET", "POST") * TIMES:
            answer = stage.ask(f"{HANDSHAKE}&sid=abc", method, Cookie=f"a=b; bellhop_node={port}; c=d")
            assert (answer.port, answer.cookie) == (port, None)

    @pytest.mark.parametrize("index", [0, 1])
    def test_without_cookies_the_name_of_the_node_in_the_id_leads_and_it_counts_more_than_a_cookie(
        self, stage: Stage, index: int
    ):
        port, other = stage.nodes[index].port, stage.nodes[1 - index].port
        for _ in range(TIMES):
            assert stage.ask(f"{HANDSHAKE}&sid={port}.abc").port == port
            assert stage.ask(f"{HANDSHAKE}&sid={port}.abc", Cookie=f"bellhop_node={other}").port == port

    def test_another_tab_of_the_browser_begins_where_the_first_one_is(self, stage: Stage):
        """One jar of cookies: a second handshake elsewhere would lead the first tab astray."""
        port = stage.nodes[1].port
        assert {stage.ask(HANDSHAKE, Cookie=f"bellhop_node={port}").port for _ in range(TIMES)} == {port}

    def test_of_a_node_that_is_gone_the_other_one_answers_and_a_new_session_names_that(self, stage: Stage):
        gone, left = stage.nodes
        gone.stop()
        for method in ("GET", "POST"):
            assert stage.ask(f"{HANDSHAKE}&sid={gone.port}.abc", method).port == left.port
        again = stage.ask(HANDSHAKE, Cookie=f"bellhop_node={gone.port}")
        assert (again.port, again.cookie) == (left.port, str(left.port))

    def test_a_node_that_refuses_newcomers_keeps_the_sessions_it_has(self, stage: Stage):
        full, other = stage.nodes
        full.status = 503
        assert {stage.ask(HANDSHAKE).port for _ in range(TIMES)} == {other.port}
        full.status = 200
        assert {stage.ask(f"{HANDSHAKE}&sid={full.port}.abc").port for _ in range(TIMES)} == {full.port}

    @pytest.mark.parametrize("cookie", ["9999", "", "x; bellhop_node=", "8001 8002"])
    def test_a_cookie_that_names_nobody_leads_anywhere(self, stage: Stage, cookie: str):
        assert stage.ask(HANDSHAKE, Cookie=f"bellhop_node={cookie}").status == 200


class TestFailover:
    """Who is asked when somebody does not answer."""

    def test_a_node_that_refuses_with_503_is_passed_over(self, stage: Stage):
        stage.nodes[0].status = 503
        for _ in range(TIMES):
            assert stage.ask("/ws").port == stage.nodes[1].port

    def test_if_every_node_refuses_so_does_nginx(self, stage: Stage):
        """In the last one's words or its own: it is the same status."""
        stage.nodes[0].status = stage.nodes[1].status = 503
        assert {stage.ask("/ws").status for _ in range(TIMES)} == {503}
        stage.nodes[0].status = 200
        assert stage.ask("/ws").port == stage.nodes[0].port, "and the first that does not is found"

    def test_a_503_of_the_api_is_its_word_and_is_not_asked_for_twice(self, stage: Stage):
        stage.apis[0].status = stage.apis[1].status = 503
        assert stage.ask("/v1/notifications", "POST").status == 503
        assert len(stage.asked()) == 1

    def test_a_post_that_was_handed_over_is_never_handed_over_again(self, stage: Stage):
        stage.apis[0].status = stage.apis[1].status = 0
        answer = stage.ask("/v1/notifications", "POST")
        assert (answer.status, answer.error["code"]) == (503, "unavailable")
        assert len(stage.asked()) == 1

    def test_a_get_is_and_a_post_to_one_that_does_not_listen_finds_the_other(self, stage: Stage):
        stage.apis[0].status = 0
        assert {stage.ask("/v1/inbox").port for _ in range(TIMES)} == {stage.apis[1].port}
        stage.apis[0].stop()
        assert {stage.ask("/v1/x", "POST").port for _ in range(TIMES)} == {stage.apis[1].port}

    def test_who_came_back_is_found_at_once_if_nobody_else_is_there(self, stage: Stage):
        stage.apis[0].status = stage.apis[1].status = 0
        for _ in range(TIMES):
            assert stage.ask("/v1/inbox").status == 503
        stage.apis[0].status = 200
        assert stage.ask("/v1/inbox").port == stage.apis[0].port


def test_what_strangers_say_of_themselves_is_replaced_and_the_rest_arrives_as_it_was(stage: Stage):
    lies = {
        "X_Forwarded_For": "198.51.100.1, 10.0.0.1",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Port": "1",
        "X_Real_IP": "198.51.100.1",
        "Forwarded": "for=198.51.100.1;proto=https",
    }
    honest = {
        "Authorization": "Bearer t",
        "Cookie": "a=b",
        "Origin": "https://app.example",
        "Host": "b.example:81",
    }
    for path in ("/v1/inbox?a=%2F&b", "/ws?since=1", "/socket.io/?EIO=4", "/flower/x%2Fy", "/?x=1"):
        assert stage.ask(path, **lies, **honest).status == 200
    seen = stage.asked()
    assert sorted(path for _, path, _ in seen) == sorted(
        ("/v1/inbox?a=%2F&b", "/ws?since=1", "/socket.io/?EIO=4", "/flower/x%2Fy", "/?x=1")
    )
    for _, _, headers in seen:
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "http"
        assert not {"x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded"} & set(headers)
        assert all(headers[name.lower()] == value for name, value in honest.items())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-17", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ('a"b', False), ("", False)],
)
def test_an_id_of_the_right_shape_is_kept_and_any_other_is_made_anew(stage: Stage, given: str, kept: bool):
    stage.ask("/v1/inbox", X_Request_Id=given)
    ((_, _, headers),) = stage.asked()
    assert (headers["x-request-id"] == given) is kept
    assert len(headers["x-request-id"]) == (len(given) if kept else 32)


def test_what_nginx_refuses_itself_looks_like_every_other_refusal(stage: Stage):
    stage.apis[0].status = stage.apis[1].status = 0
    for path, status, code in (("/metrics", 404, "not_found"), ("/v1/inbox", 503, "unavailable")):
        answer = stage.ask(path, X_Request_Id="mine")
        assert (answer.status, answer.error["code"], answer.error["request_id"]) == (status, code, "mine")
        assert answer.error.keys() == NotFound().body("mine").keys()
        assert answer.headers["Content-Type"] == "application/json"
        assert dict(answer.headers).items() >= dict(DATA).items()
