"""One socket: watched by the event loop, read by the frame parser, written without blocking.

Rule A. The only place that reads and writes a client's bytes. Everything here runs in callbacks of the event loop, so
nothing blocks: what the kernel does not take goes to a bounded outbox with a write watcher.
"""

import _socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from shared import logs, metrics
from shared.protocol.close_codes import CloseCode
from wsnode import wire
from wsnode.frame_parser import NO_CODE, Close, Event, Fault, FrameParser, begins_anew
from wsnode.net import Net, State
from wsnode.outbox import Outbox

ABNORMAL: Final = 1006
_READ: Final = 1
_WRITE: Final = 2

log = logs.get(__name__)


class Transport(ABC):
    """A WebSocket after its handshake. A subclass takes `received`, `ended` and `leave`."""

    __slots__ = (
        "_net",
        "_parser",
        "_reader",
        "_sock",
        "_state",
        "_writer",
        "batch",
        "heard",
        "outbox",
        "send",
    )

    def __init__(self, sock: _socket.socket | None, net: Net) -> None:
        """Take over a connected, non-blocking socket; without one a subclass carries what is written."""
        self._net = net
        self._state = State.OPEN
        self._parser: FrameParser | None = None
        self._reader: Any = None
        self._writer: Any = None
        self.batch: list[bytes] | None = None
        self.outbox: Outbox | None = None
        self.heard = True
        """A byte came in since the heartbeat last asked."""
        net.sockets += 1
        if sock is not None:
            self._attach(sock)

    def _attach(self, sock: _socket.socket) -> None:
        self._sock = sock
        self.send: Callable[[bytes | memoryview], int] = sock.send
        self._reader = self._net.loop.io(sock.fileno(), _READ)

    def watch(self, ahead: bytes) -> None:
        """Begin to read; `ahead` came with the handshake."""
        if self._state is State.CLOSED:  # a first write has shown that the client is gone
            return
        self._reader.start(self._readable)
        if ahead:
            self._feed(ahead)

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        return self._state is State.OPEN

    @abstractmethod
    def received(self, event: Event) -> None:
        """Take one frame of the client."""

    @abstractmethod
    def written(self) -> None:
        """Everything that waited has been sent."""

    @abstractmethod
    def ended(self, code: int, reason: str) -> None:
        """The connection stopped being open; called once."""

    def write(self, data: bytes, *, free: bool = False) -> None:
        """Send a ready frame, after everything before it; over the outbox's limit the client is cut off."""
        if self.batch is not None:
            self.flush()
        if self._state is State.OPEN and data:
            self._push(data, free=free)

    def pong(self, payload: bytes) -> None:
        """Answer a ping; while writing is blocked only the latest is answered, as RFC 6455 section 5.5.3 allows."""
        if self.batch is not None:
            self.flush()
        if self.outbox is not None and self._state is State.OPEN:
            self.outbox.pong = wire.pong(payload)
        else:
            self.write(wire.pong(payload))

    def flush(self) -> None:
        """Send the frames of one delivery with one call."""
        batch, self.batch = self.batch, None
        if batch and self._state is State.OPEN:
            self._push(batch[0] if len(batch) == 1 else b"".join(batch), free=False)
            self.written()

    def write_rest(self, data: bytes, sent: int) -> None:
        """Go on where a raw send took only `sent` bytes."""
        if self._state is State.OPEN:
            self._queue(data[sent:] if sent else data, free=False)

    def close(self, code: int, reason: str, *, last: bytes = b"", wait: bool = True) -> None:
        """Send `last` and a Close frame, then hang up; `wait` for the client's Close unless it cannot be trusted."""
        if self.open:
            self.flush()
        if not self.open:  # sending showed that the socket is gone
            return
        self._state = State.CLOSING
        self._net.closing.add(self, self._net.clock.monotonic())
        self.ended(code, reason)
        self._push(last + wire.close(code, reason), free=True)
        if not wait:
            self._hang_up()

    @abstractmethod
    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Close in the way of the dialect."""

    def lost(self, reason: str) -> None:
        """The socket is gone, or is to be: no Close frame, no waiting."""
        if self._state is State.OPEN:
            self._state = State.CLOSING
            self.ended(ABNORMAL, reason)
        self._shut()

    def too_late(self) -> None:
        """The client did not answer our Close frame in time."""
        if self._state is not State.CLOSED:
            self._shut()

    def message_too_late(self, now: float) -> None:
        """Cut off a client whose message is under way for too long."""
        parser, deadline = self._parser, self._net.limits.message_deadline
        if parser is not None and self.open and now - parser.waiting_since >= deadline:
            self.leave(CloseCode.TOO_SLOW, "a message took too long")

    def write_too_late(self, now: float, deadline: float) -> None:
        """Cut off a client whose kernel buffer took nothing for `deadline` seconds."""
        if self.outbox is not None and self.open and now - self.outbox.progressed_at >= deadline:
            self.too_slow("took nothing in time")

    def too_slow(self, reason: str) -> None:
        """The client does not read: forget what waits, so that the Close frame comes next."""
        if self.outbox is not None:
            self.outbox.cut()
        if self.open:
            metrics.slow_disconnects_total.inc()
        self.leave(CloseCode.TOO_SLOW, reason)

    def _readable(self) -> None:
        try:
            size = self._sock.recv_into(self._net.buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lost(error.strerror or type(error).__name__)
            return
        if not size:
            self.lost("the client hung up")
            return
        self.heard = True
        try:
            self._feed(self._net.buffer[:size].tobytes())
        except Exception:
            # One connection's fault must not stop the event loop for all others.
            log.exception("connection_failed")
            self.lost("a fault of ours")

    def _feed(self, data: bytes) -> None:
        net = self._net
        parser = self._parser or net.spare
        assembling = parser.assembling
        events = parser.feed(data)
        if parser.idle:
            if self._parser is not None:
                self._parser, net.spare = None, parser
                net.partial.discard(self)
        elif self._parser is None or begins_anew(parser, events, assembling=assembling):
            parser.waiting_since = net.clock.monotonic()
            if self._parser is None:
                self._parser, net.spare = parser, net.parser()
                net.partial.add(self)
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Close):
            self._closed_by_client(event)
        elif self._state is not State.OPEN:
            return  # after our Close frame only the client's counts
        elif isinstance(event, Fault):
            self.close(event.code, event.reason, wait=False)
        else:
            self.received(event)

    def _closed_by_client(self, event: Close) -> None:
        if self.open:
            self.flush()
        if self.open:
            self._state = State.CLOSING
            self._net.closing.add(self, self._net.clock.monotonic())
            self.ended(event.code, event.reason or "the client closed")
            self._push(wire.close(None if event.code == NO_CODE else event.code), free=True)
        self._hang_up()

    def _push(self, data: bytes, *, free: bool) -> None:
        if self.outbox is not None:
            self._queue(data, free=free)
            return
        try:
            sent = self.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self.lost(error.strerror or type(error).__name__)
            return
        if sent != len(data):
            self._queue(data[sent:], free=free)

    def _queue(self, data: bytes, *, free: bool) -> None:
        outbox = self.outbox
        if outbox is None:
            outbox = self.outbox = Outbox(self._net.limits.outbox_bytes, self._net.clock.monotonic())
            self._net.blocked.add(self)
            self._writer = self._net.loop.io(self._sock.fileno(), _WRITE)
            self._writer.start(self._writable)
        if not outbox.put(data, free=free):
            self.too_slow("reads too slowly")

    def _writable(self) -> None:
        outbox = self.outbox
        if outbox is None:
            return
        try:
            while outbox.size:
                chunk = outbox.first()
                sent = self.send(chunk)
                outbox.sent(sent, self._net.clock.monotonic())
                if sent < len(chunk):
                    return
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lost(error.strerror or type(error).__name__)
            return
        self._unblock()
        if self._state is State.HANGING_UP:
            self._hang_up()
        else:
            self.written()

    def _unblock(self) -> None:
        if self.outbox is not None:
            self.outbox = None
            self._net.blocked.discard(self)
            if self._writer is not None:
                self._writer.stop()
                self._writer.close()
                self._writer = None

    def _hang_up(self) -> None:
        """Send FIN once all is sent, then wait for the client's: closing with unread input would reset the
        connection and could take the Close frame away from the client."""
        if self._state is State.CLOSED:
            return
        self._state = State.HANGING_UP
        if self.outbox is None:
            try:
                self._sock.shutdown(_socket.SHUT_WR)
            except OSError:
                self._shut()

    def _shut(self) -> None:
        if self._state is State.CLOSED:
            return
        self._state = State.CLOSED
        self._unblock()
        self._net.partial.discard(self)
        self._let_go()
        self._net.sockets -= 1
        self.batch = None

    def _let_go(self) -> None:
        """Close the socket."""
        self._reader.stop()
        self._reader.close()
        self._sock.close()
