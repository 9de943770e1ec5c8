"""A connection that polling carries until a WebSocket does, if ever: the same member of the hub all the time.

Rule S. Without a socket everything written waits in the outbox, bounded as every outbox, until a GET fetches it. A
client that never confirms has confirmed what an answer held when its next GET comes, which clients send when they have
read one. A POST confirms nothing: it may have left before the answer is read, and a client that dies then would miss
what it never saw. Who leaves by POST without another GET gets the last answer's notifications again.
"""

import _socket
from collections.abc import MutableMapping
from typing import Any, Final

from gevent.event import Event as Signal

from wsnode import wire
from wsnode.connection import Connection
from wsnode.frame_parser import Event, FrameParser
from wsnode.net import Net, State
from wsnode.outbox import Outbox
from wsnode.ports import Services
from wsnode.socketio import dialects, engine, mailbox
from wsnode.transport import Transport

POLL_WAIT: Final = 55.0
"""Seconds that a GET waits for something to say; the heartbeat's ping mostly comes first."""

PROBE_WAIT: Final = 0.1
"""The same while a WebSocket is being tried: the client cannot go over to it before its GET is answered."""

_THE_END: Final = wire.close(None)


class Carried(Connection):
    """Transport of a Socket.IO client; what the client says is the subclass's business."""

    __slots__ = ("_answering", "_asking", "_cut", "_handed", "_sessions", "probing", "sid", "trial")

    def __init__(
        self,
        sock: _socket.socket | None,
        net: Net,
        services: Services,
        *,
        number: int,
        sid: str,
        sessions: MutableMapping[str, Any],
    ) -> None:
        """Without `sock` the session is polled, and in `sessions` by its secret `sid` as long as it is."""
        super().__init__(sock, net, services, number=number, sign_in="message", dialect=dialects.PLAIN)
        self.sid = sid
        self._sessions = sessions
        self._asking: Signal | None = None
        self._answering = False
        self._handed: tuple[int, int] | None = None
        self._cut = False
        self.trial: Transport | None = None
        """A WebSocket that may take over."""
        self.probing = False
        """The client has spoken on it."""
        if sock is None:
            sessions[sid] = self
            self.outbox = self._new_outbox()

    @property
    def polled(self) -> bool:
        """Whether no WebSocket carries it."""
        return self._reader is None

    def poll(self) -> bytes:
        """What there is for the client, waiting for something. Raises EngineError.

        Whoever calls it tells `answered` whether the answer could be written.
        """
        if self._asking is not None or self._answering:
            self.lost("two polls at once")
            raise engine.bad_request("A session is polled by one request at a time.")
        self.heard = True
        self._confirm()
        if self.open and not (self.outbox and self.outbox.size):
            self._asking = Signal()
            try:
                self._asking.wait(PROBE_WAIT if self.probing else POLL_WAIT)
            finally:
                self._asking = None
        if self.polled and self.outbox is None:
            raise engine.unknown_session()
        self._answering = True
        if self.outbox is None or not self.polled:
            return engine.NOOP_TEXT.encode()
        packets = mailbox.packets(self._fetch())
        if len(packets) > 1 and packets[-1] == mailbox.END:
            # A client acts on the end at once and on events a moment later: they come in an answer of their own.
            packets.pop()
            self.outbox.put(_THE_END, free=True)
        return mailbox.payload(packets) or engine.NOOP_TEXT.encode()

    def answered(self, *, written: bool) -> None:
        """The answer is on its way, or could not be written: then the client misses a part, and must begin anew."""
        self._answering = False
        if not written:
            self._cut, self._handed = True, None
            self.lost("an answer could not be written")
        elif self.polled and not self.open and not (self.outbox and self.outbox.size):
            self._confirm()
            self._shut()

    def probe(self, *, begins: bool) -> None:
        """A WebSocket is being tried, or no longer."""
        self.probing = begins
        if self._asking is not None:
            self._asking.set()

    def adopt(self, sock: _socket.socket, parser: FrameParser | None) -> None:
        """Go on over this WebSocket, whose half-read message is in `parser`: what was not fetched leaves first."""
        self.heard = True
        self._confirm()  # a client goes over when its last GET is answered
        waiting = self._fetch()
        self._handed = None
        self.outbox = None
        self._sessions.pop(self.sid, None)
        self._attach(sock)
        if parser is not None:
            self._parser = parser
            self._net.partial.add(self)
        self._reader.start(self._readable)
        self.trial = None
        self.probe(begins=False)
        if waiting:
            self._push(waiting, free=True)
            self.written()

    def take(self, event: Event) -> None:
        """Take one frame that another transport has read."""
        self._take(event)

    def too_slow(self, reason: str) -> None:
        """What is dropped is not taken."""
        self._cut = True
        super().too_slow(reason)

    def _fetch(self) -> bytes:
        self.flush()
        found = self.outbox.rest() if self.outbox is not None else b""
        self.outbox = self._new_outbox()
        if self.signed_in and not self._cut:
            self._handed = (self.session.me or 0, self.session.all or 0)
        return found

    def _confirm(self) -> None:
        handed, self._handed = self._handed, None
        if handed is not None and not self.dialect.acks:
            self._acked(*handed)

    def _new_outbox(self) -> Outbox:
        return Outbox(self._net.limits.outbox_bytes, self._net.clock.monotonic())

    def _queue(self, data: bytes, *, free: bool) -> None:
        super()._queue(data, free=free)
        if self._asking is not None:
            self._asking.set()

    def _hang_up(self) -> None:
        if self.polled and self._state is not State.CLOSED:
            self._state = State.HANGING_UP  # the next GET fetches the end
        else:
            super()._hang_up()

    def _let_go(self) -> None:
        if not self.polled:
            super()._let_go()
            return
        self._sessions.pop(self.sid, None)
        if self._asking is not None:
            self._asking.set()
