"""The worker's three pages over HTTP."""

import urllib.error
import urllib.request

import pytest

from workers.health_server import HealthServer, json_answer


@pytest.fixture
def server():
    pages = {
        "/readiness": lambda: json_answer(503, {"status": "NOT_READY"}),
        "/health": lambda: json_answer(200, {}),
    }
    found = HealthServer("127.0.0.1", 0, pages)
    found.start()
    yield found
    found.stop()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_page_answers_with_its_status_and_body(server):
    assert get(server, "/readiness") == (503, b'{"status":"NOT_READY"}')
    assert get(server, "/health?x=1") == (200, b"{}")


def test_another_path_is_404(server):
    assert get(server, "/secret")[0] == 404


def test_a_taken_port_is_known_at_once(server):
    with pytest.raises(OSError, match="in use"):
        HealthServer("127.0.0.1", server.port, {})
