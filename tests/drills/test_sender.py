"""The sender repeats with the same key until it is accepted, and the ledger keeps every answer."""

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drills.http import Http
from drills.ledger import Ledger
from drills.sender import Sender, send


class Backend(ThreadingHTTPServer):
    """Answers with the statuses it was given, then with 202; remembers keys and bodies."""

    daemon_threads = True

    def __init__(self, statuses):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = iter(statuses)
        self.asked = []
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((self.path, self.headers["Idempotency-Key"], body))
            status = next(self.server.statuses, 202)
        if status == 0:
            self.connection.close()
            self.close_connection = True
            return
        items = [{"id": f"id-{n}"} for n in range(len(body.get("notifications", [])))]
        raw = json.dumps({"items": items} if items else {"id": "id-0"}).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        return


@pytest.fixture
def backend(request):
    server = Backend(getattr(request, "param", ()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def http(backend: Backend) -> Http:
    return Http(f"http://127.0.0.1:{backend.server_port}", "key", seconds=5)


@pytest.mark.parametrize("backend", [(503, 0, 503)], indirect=True)
def test_503_and_a_cut_are_repeated_with_the_same_key_and_body(backend):
    ledger = Ledger("run")
    line = ledger.open(("ana",))
    assert send(ledger, http(backend), [line])
    assert {(key, json.dumps(body)) for _, key, body in backend.asked} == {
        ("run-1", json.dumps(ledger.bodies[1]))
    }
    assert ledger.statuses() == {"cut": 1, "202": 1, "503": 2}
    assert line.id == "id-0"
    assert line.accepted_at is not None
    assert ledger.without_retry_after() == 0


@pytest.mark.parametrize("backend", [(422,)], indirect=True)
def test_a_refusal_is_final_and_counts_as_unexpected(backend):
    ledger = Ledger("run")
    line = ledger.open(("ana",))
    assert not send(ledger, http(backend), [line])
    assert line.accepted_at is None
    assert ledger.unexpected() == 1


def test_a_batch_is_one_request_under_one_key(backend):
    ledger = Ledger("run")
    orders = (((f"user-{n}",), {}) for n in itertools.count())
    sender = Sender(ledger, lambda: http(backend), orders, rate=1e6, count=6, threads=1, batch=4)
    sender.join(10)
    assert [(path, key, len(body.get("notifications", []))) for path, key, body in backend.asked] == [
        ("/v1/notifications/batch", "run-1", 4),
        ("/v1/notifications/batch", "run-5", 2),
    ]
    assert [line.id for line in ledger.accepted()] == ["id-0", "id-1", "id-2", "id-3", "id-0", "id-1"]


def test_it_sends_until_it_is_stopped(backend):
    ledger = Ledger("run")
    sender = Sender(ledger, lambda: http(backend), itertools.repeat((("ana",), {})), rate=200, threads=2)
    while len(ledger.accepted()) < 5:
        threading.Event().wait(0.01)
    sender.stop(10)
    assert len(ledger.accepted()) == sender.taken


def test_padding_lengthens_the_data_and_everyone_has_no_users():
    ledger = Ledger("run")
    ledger.open(None, data_padding=10)
    assert ledger.bodies[1]["to"] == {"everyone": True}
    assert ledger.bodies[1]["data"] == {"n": 1, "padding": "x" * 10}
