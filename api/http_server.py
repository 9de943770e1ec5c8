"""gunicorn's gevent worker as the api runs it: one process, a greenlet per connection, heads read by api.http_head.

Rule A, the only file that knows the server's inside. Of the workers that gunicorn has for gevent this is the one that
carries gevent's own server: 75 us for an empty request where the other takes 104 us. What is added here: strict heads,
deadlines for silent connections, errors in our format, one write per answer, and a drain that does not wait for
connections on which nothing is asked.
"""

import os
from typing import Any, Final

import gevent
import orjson
from gevent import pywsgi
from gunicorn.workers.ggevent import GeventPyWSGIWorker, PyWSGIHandler, PyWSGIServer

from api.http_head import FIELDS_MAX, LINE_MAX, BadHead, Head, read_head
from api.middleware.request_id import HEADER as REQUEST_ID
from shared.errors import AppError, MalformedBody
from shared.http_headers import DATA

IDLE_SECONDS: Final = 75
"""A kept connection on which nothing is asked ends after this; longer than the 60 s for which nginx keeps one."""

STALL_SECONDS: Final = 15
"""A request that has begun and does not go on is given up after this, and so is an answer that is not read."""

HEAD_SECONDS: Final = 30
BODY_SECONDS: Final = 60
"""What has not arrived whole by then is given up, however steadily it trickles."""

DISCARD_MAX: Final = 8_388_608
"""So much of an unwanted body is read and thrown away, so that the caller gets to see the refusal; then it is cut."""

JOIN_MAX: Final = 65_536
"""Up to this many bytes, head and body of an answer go out in one write."""


class TargetTooLong(AppError):
    """The request line is longer than any address of ours."""

    code, status, title = "target_too_long", 414, "The request line is too long."


class Body(pywsgi.Input):  # type: ignore[misc]  # gevent has no annotations
    """The body of one request; says when nothing after it can be trusted to be a request."""

    def __init__(self, handler: "ApiHandler", head: Head) -> None:
        waiting = head.fields.get("HTTP_EXPECT", "").lower() == "100-continue"
        connection = handler.socket if waiting else None
        super().__init__(handler.rfile, head.content_length, socket=connection, chunked_input=head.chunked)
        self._handler = handler
        self._broken = False

    def read(self, length: int | None = None) -> bytes:
        """Read, with a deadline unless all of it is here already: a timer costs as much as reading a short body."""
        if self._is_here():
            return bytes(super().read(length))
        try:
            with gevent.Timeout(BODY_SECONDS, TimeoutError("the body did not arrive")):
                return bytes(super().read(length))
        except OSError:
            self._broken = True
            raise
        except ValueError as error:  # gevent's, of a chunk without a length
            self._broken = True
            raise OSError("a chunk cannot be read") from error

    def _is_here(self) -> bool:
        # Whoever waits for "100 Continue" has sent nothing yet, and a look would wait for it.
        if self.chunked_input or self.socket is not None:
            return False
        left: int = (self.content_length or 0) - self.position
        return left <= 0 or len(self.rfile.peek(1)) >= left

    def _discard(self) -> None:
        """Read what the application left; called after each answer. What cannot be read to its end ends with us."""
        try:
            whole = self._discard_all()
        except OSError:
            whole = False
        if not whole:
            self._handler.close_connection = True

    def _discard_all(self) -> bool:
        # A caller that still waits for "100 Continue" sends nothing now.
        if self._broken or self._chunked_input_error or self.socket is not None:
            return False
        left = DISCARD_MAX
        while left > 0:
            chunk = self.read(min(left, 65_536))
            if not chunk:
                return True
            left -= len(chunk)
        return False


class ApiHandler(PyWSGIHandler):  # type: ignore[misc]  # gunicorn has no annotations
    """One connection."""

    # A caller that does not read its answer is as uninteresting as one that hangs up.
    ignored_socket_errors = (*PyWSGIHandler.ignored_socket_errors, "timed out")
    _head: Head
    _lines: list[bytes]

    def read_requestline(self) -> str:
        """Wait for the next request and read its head; empty at the end of the connection."""
        begun = self._await_first_bytes()
        if not begun:
            return ""
        if b"\r\n\r\n" in begun:
            line = self._read_lines()
        else:
            with gevent.Timeout(HEAD_SECONDS, TimeoutError("the head did not arrive")):
                line = self._read_lines()
        return line.decode("latin-1")

    def _await_first_bytes(self) -> bytes:
        self.socket.settimeout(IDLE_SECONDS)
        self.server.idle.add(self)
        try:
            begun: bytes = self.rfile.peek(1)
        finally:
            self.server.idle.discard(self)
        self.socket.settimeout(STALL_SECONDS)
        return begun

    def _read_lines(self) -> bytes:
        """Read the request line, which is returned, and the fields; what is cut short is refused by read_head."""
        self._lines = []
        line: bytes = self.rfile.readline(LINE_MAX + 1)
        if line == b"\r\n":
            # RFC 9112 section 2.2: an empty line before a request is skipped.
            line = self.rfile.readline(LINE_MAX + 1)
        if len(line) > LINE_MAX:
            return line
        while len(self._lines) <= FIELDS_MAX and (field := self.rfile.readline(LINE_MAX + 1)) != b"\r\n":
            self._lines.append(field)
            if not field.endswith(b"\n"):
                break
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """Understand the head. Raises BadHead or TargetTooLong."""
        if len(raw_requestline) > LINE_MAX:
            raise TargetTooLong
        head = self._head = read_head(raw_requestline.encode("latin-1"), self._lines)
        self.command, self.path, self.request_version = head.method, head.target, head.protocol
        self.content_length = head.content_length
        self.close_connection = not head.keep_alive
        return True

    def get_environ(self) -> dict[str, Any]:
        """Build the WSGI environment."""
        head = self._head
        env: dict[str, Any] = self.server.get_environ()
        env.update(head.fields)
        path, _, query = head.target.partition("?")
        env["REQUEST_METHOD"] = head.method
        env["PATH_INFO"] = pywsgi.unquote_latin1(path) if "%" in path else path
        env["QUERY_STRING"] = query
        env["RAW_URI"] = head.target
        env["SERVER_PROTOCOL"] = head.protocol
        if isinstance(self.client_address, tuple):
            env["REMOTE_ADDR"] = self.client_address[0]
            env["REMOTE_PORT"] = str(self.client_address[1])
        self.wsgi_input = env["wsgi.input"] = Body(self, head)
        env["wsgi.input_terminated"] = True
        return env

    def finalize_headers(self) -> None:
        """Say when the connection ends with this answer."""
        if self.server.draining:
            self.close_connection = True
        super().finalize_headers()
        if self.close_connection:
            self.response_headers.append((b"Connection", b"close"))

    def _write_with_headers(self, data: bytes) -> None:
        """Send the head, and a short body with it: one system call and one packet instead of two."""
        self.headers_sent = True
        self.finalize_headers()
        lines = [b"HTTP/1.1 " + self.status]
        lines += [name + b": " + value for name, value in self.response_headers]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        if self.response_use_chunked or len(data) > JOIN_MAX:
            self._sendall(head)
            self._write(data)
        else:
            self._send(head + data)

    def _send(self, data: bytes) -> None:
        # gevent's sendall asks the socket for its buffer first, a system call of which a short answer has no need.
        sent: int = self.socket.send(data)
        self.response_length += sent
        if sent < len(data):
            self._sendall(data[sent:])

    def log_request(self) -> None:
        """Nothing: the line of a request is written by api.middleware.access."""

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        """Answer a request that cannot be read; a connection that broke or fell silent is not worth a line."""
        if isinstance(ex, AppError):
            return _refusal(ex)
        return _refusal(MalformedBody(str(ex) if isinstance(ex, BadHead) else "The request cannot be read."))


class ApiServer(PyWSGIServer):  # type: ignore[misc]  # gunicorn has no annotations
    """The listening socket and what is connected to it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.idle: set[ApiHandler] = set()
        self.draining = False
        super().__init__(*args, **options)

    def close(self) -> None:
        """Accept nothing any more, and end the connections on which nothing is asked."""
        self.draining = True
        super().close()
        for handler in list(self.idle):
            handler.socket.shutdown(0)


class ApiWorker(GeventPyWSGIWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """Names server and handler for gunicorn: `worker_class = "api.http_server.ApiWorker"`."""

    server_class = ApiServer
    wsgi_handler = ApiHandler


def _refusal(error: AppError) -> tuple[str, bytes]:
    """Return (status, whole answer); the connection is closed after it."""
    # What the caller calls the request stands in a head that could not be read, so it gets a name here.
    request_id = os.urandom(12).hex()
    body = orjson.dumps({"error": error.body(request_id)})
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        (REQUEST_ID, request_id),
        *DATA,
    ]
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 {error.status} Refused\r\n{fields}\r\n"
    return str(error.status), head.encode("ascii") + body
