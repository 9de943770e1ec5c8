"""The HTTP side of a connection: read the request within limits, decide the handshake, give the socket away.

Rule A. Derived from gevent-websocket's handler, of which it keeps the place in the worker and nothing of the way:
the upgrade there comes before the application is asked, bodies are text, and each socket keeps a greenlet (21 KiB).
"""

import _socket
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from http import HTTPStatus
from typing import Any, Final, Protocol

import gevent
from gevent import socket
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from shared import logs, metrics
from shared.errors import AppError, BodyTooLarge
from wsnode import handshake, ways
from wsnode.handshake import Accepted, Request
from wsnode.http import common, refusal, status_line
from wsnode.socketio import requests
from wsnode.socketio.client import Client
from wsnode.socketio.lobby import Lobby, Reply, Switch

HEADERS_MAX: Final = 16_384
PIECE: Final = 16_384
"""Bytes of an answer to a poll of which each part has the write deadline, as a frame on a WebSocket has."""

_SHAPE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ONCE: Final = ("content-length", "transfer-encoding", "host")
_QUIET: Final = frozenset({"/health", "/readiness", "/metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = logs.get(__name__)


class MalformedRequest(AppError):
    """What came is no HTTP request, or its headers are too long."""

    code, status, title = "malformed_request", HTTPStatus.BAD_REQUEST, "The request cannot be read."


class Door(Protocol):
    """What decides about handshakes and takes sockets: the node."""

    lobby: Lobby
    """What answers Socket.IO."""

    @property
    def handshake_deadline(self) -> float:
        """Seconds for a request from the first wait to its last header."""
        ...

    def decide(self, request: Request) -> Accepted:
        """Check one handshake. Raises an AppError."""
        ...

    def enter(self, sock: _socket.socket, ahead: bytes, accepted: Accepted) -> None:
        """Take over the socket of an accepted handshake."""
        ...


class _Bounded:
    """Reads header lines, all of them together within HEADERS_MAX bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = HEADERS_MAX

    def readline(self, size: int) -> bytes:
        """One line. Raises ValueError over the bound, which the handler answers with 400."""
        line: bytes = self._file.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise ValueError("headers too long")
        return line


def _is_clear(headers: Message) -> bool:
    """Whether no field is folded, broken, or there twice that may be there once."""
    # Behind a line that is no field the parser, which is one for e-mail, takes the others for a body: a defect.
    folded = any("\n" in value for value in headers.values())
    return not (folded or headers.defects or any(len(headers.get_all(one, [])) > 1 for one in _ONCE))


class NodeHandler(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """One HTTP connection until it is closed or becomes a WebSocket."""

    socket: Any
    request_id = ""
    _due = 0.0

    def handle(self) -> None:
        """Serve requests until the end, or until the client is too slow to say one."""
        try:
            self.socket.settimeout(self._patience())
            super().handle()
        except gevent.Timeout:
            log.debug("request_too_slow", remote=self._remote())

    def read_requestline(self) -> str:
        """The first line, in time; the headers must come within the same time."""
        self._due = time.monotonic() + self._patience()
        with gevent.Timeout(self._patience()):
            return str(super().read_requestline())

    def read_request(self, raw_requestline: str) -> bool:
        """The headers, in time. Raises ValueError for what a proxy may have read otherwise; it is answered 400."""
        with gevent.Timeout(max(0.001, self._due - time.monotonic())):
            found = bool(super().read_request(raw_requestline))
        if found and not _is_clear(self.headers):
            raise ValueError("the headers are not clear")
        return found

    def MessageClass(self, file: Any, *rest: Any) -> Any:  # noqa: N802  # the name is pywsgi's
        """Read the headers within their bound."""
        return super().MessageClass(_Bounded(file), *rest)

    def run_application(self) -> None:
        """Answer a request: a handshake here, anything else by the application."""
        self.request_id = self._request_id()
        request = self._request()
        if request.path in requests.PATHS:
            self._socketio(request)
            return
        if self._has_body():
            self._refuse(MalformedRequest("A node takes no body."))
            return
        if request.path not in (handshake.PATH, ways.SOCKET_PATH) and not handshake.wants_upgrade(request):
            WSGIHandler.run_application(self)
            return
        try:
            accepted = self.application.door.decide(request)
        except AppError as error:
            self._refuse(error)
        else:
            self._upgrade(accepted)

    def _socketio(self, request: Request) -> None:
        """Answer a request of Engine.IO; a session that waits for what is said here learns whether it could be."""
        reply = self.application.door.lobby.serve(request, self._body)
        if isinstance(reply, Switch):
            self._switch(reply.accept, None, reply.enter)
            return
        written = False
        try:
            self._say(reply)
            written = True
        finally:
            if reply.session is not None:
                reply.session.answered(written=written)

    def _say(self, reply: Reply) -> None:
        headers = [("Content-Type", reply.kind), *common(self.request_id), *reply.headers]
        if reply.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(reply.body))))
        if self._has_body() or reply.close:
            headers.append(("Connection", "close"))
        self.start_response(status_line(reply.status), headers)
        parts: Iterable[bytes] = [reply.body]
        if reply.session is not None:
            self.socket.settimeout(self.application.door.lobby.write_deadline)
            parts = _pieces(reply.body, reply.session)
        self.result = parts
        self.process_result()
        self.socket.settimeout(self._patience())

    def _body(self, most: int) -> bytes:
        """The body, of a told length and in time. Raises BodyTooLarge or MalformedRequest."""
        body = self.wsgi_input
        if body.chunked_input or "HTTP_TRANSFER_ENCODING" in self.environ:
            raise MalformedRequest("Send a Content-Length.")
        if (body.content_length or 0) > most:
            raise BodyTooLarge(f"A body is at most {most} bytes.")
        try:
            with gevent.Timeout(self._patience()):
                found: bytes = body.read()
        except OSError:
            raise MalformedRequest("The body is shorter than its Content-Length.") from None
        body.content_length = 0
        return found

    def _patience(self) -> float:
        return float(self.server.application.door.handshake_deadline)

    def _has_body(self) -> bool:
        """Whether a body would follow; then it is not read, or a client could hold us for as long as it sends."""
        body = self.wsgi_input
        found = bool(body.content_length or body.chunked_input or "HTTP_TRANSFER_ENCODING" in self.environ)
        body.content_length, body.chunked_input = 0, False
        return found

    def _upgrade(self, accepted: Accepted) -> None:
        door = self.application.door
        self._switch(
            accepted.accept, accepted.subprotocol, lambda raw, ahead: door.enter(raw, ahead, accepted)
        )

    def _switch(
        self, accept: str, subprotocol: str | None, enter: Callable[[_socket.socket, bytes], None]
    ) -> None:
        """Say 101, then take the socket out of everything that holds it, with what the client sent meanwhile."""
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{self._id_header()}"
        head += f"Sec-WebSocket-Accept: {accept}\r\n"
        if subprotocol:
            head += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
        self.status, self.code = "101", HTTPStatus.SWITCHING_PROTOCOLS
        self.headers_sent = self.close_connection = True
        if self.socket.family in (socket.AF_INET, socket.AF_INET6):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(f"{head}\r\n".encode("latin-1"))
        self.socket.settimeout(0)
        ahead: bytes = self.rfile.peek(1)
        raw = _socket.socket(fileno=self.socket.detach())
        raw.settimeout(0)
        self.socket = None  # so that nobody closes it after us
        enter(raw, ahead)

    def _refuse(self, error: AppError) -> None:
        """An HTTP answer in the one error format instead of the upgrade."""
        line, headers, body = refusal(error, self.request_id)
        self.start_response(line, [*headers, ("Connection", "close")])
        self.result = [body]
        self.process_result()

    def _request(self) -> Request:
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in self.environ.items()
            if name.startswith("HTTP_")
        }
        headers["content-length"] = self.environ.get("CONTENT_LENGTH") or ""
        return Request(
            method=self.command,
            version=self.request_version,
            path=self.environ["PATH_INFO"],
            query=self.environ["QUERY_STRING"],
            headers=headers,
            peer=self._peer(),
        )

    def _request_id(self) -> str:
        given = self.environ.get("HTTP_X_REQUEST_ID", "")
        found = given if _SHAPE.fullmatch(given) else os.urandom(12).hex()
        self.environ["HTTP_X_REQUEST_ID"] = found
        return found

    def _id_header(self) -> str:
        return f"X-Request-Id: {self.request_id}\r\n"

    def _peer(self) -> str:
        """Who connected; empty for a Unix socket, which has no address."""
        address = self.client_address
        return str(address[0]) if isinstance(address, tuple) and address else ""

    def _remote(self) -> str:
        return self._peer() or "local"

    def _handle_client_error(self, ex: BaseException) -> tuple[str, bytes]:
        """A request that cannot be read. Without its text in the log, which may hold a token."""
        log.info("request_unreadable", remote=self._remote(), error=type(ex).__name__)
        line, headers, body = refusal(MalformedRequest(), "")
        lines = [f"HTTP/1.1 {line}", "Connection: close", *(f"{name}: {value}" for name, value in headers)]
        return line, "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def log_request(self) -> None:
        """One line for each request, in words of ours: neither the log nor the metrics repeat what anybody may send."""
        environ = self.environ or {}
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        status = int(str(self._orig_status or self.code or 0).split()[0])
        seconds = max(0.0, self.time_finish - self.time_start)
        known = path in _QUIET or path in requests.PATHS or path in handshake.DIALECTS
        route = path if known else "unmatched"
        quiet = path in _QUIET or (path in requests.PATHS and status == HTTPStatus.OK)
        method = self.command if self.command in _METHODS else "OTHER"
        metrics.http_requests_total.labels(route, method, str(status)).inc()
        metrics.http_seconds.labels(route).observe(seconds)
        (log.debug if quiet else log.info)(
            "request",
            method=method,
            target=handshake.redacted(route, query)[:500],
            status=status,
            ms=round(seconds * 1000, 2),
            request_id=self.request_id or None,
            remote=self._remote(),
        )


def _pieces(body: bytes, session: Client) -> Iterator[bytes]:
    """Parts of an answer; a client that takes them is not silent, whatever it cannot say meanwhile."""
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
        session.heard = True
