"""/health, /readiness and /metrics of a worker, served by one thread of its parent process.

The parent is the process that consumes, so what it says about its event loop is first hand. The standard library's
server is enough: an orchestrator and a scraper call it a few times a minute.
"""

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

Answer = tuple[int, str, bytes]
Page = Callable[[], Answer]


def json_answer(status: int, body: object) -> Answer:
    """An answer with a JSON body."""
    return status, "application/json", orjson.dumps(body)


class _Handler(BaseHTTPRequestHandler):
    """One request; `pages` is set by HealthServer on a subclass."""

    pages: dict[str, Page]
    server_version = "bellhop"
    sys_version = ""
    # A caller that opens a connection and says nothing must not keep a thread.
    timeout = 5

    def do_GET(self) -> None:
        """Answer one of the three pages, else 404."""
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else json_answer(404, {"error": {"code": "not_found"}})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No access log: a check each second says nothing."""


class HealthServer:
    """Listens from construction, so that a taken port is known before the worker says it is ready."""

    def __init__(self, bind: str, port: int, pages: dict[str, Page]) -> None:
        handler = type("Handler", (_Handler,), {"pages": pages})
        self._server = ThreadingHTTPServer((bind, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._listener = self._server.socket
        # Else a child forked later keeps the port after its parent is gone.
        os.register_at_fork(after_in_child=self._listener.close)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)
