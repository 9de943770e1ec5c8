"""A WebSocket beside a polled session, until the client says that it goes over to it.

Rule S. The client asks `2probe` and hears `3probe`; its pending GET is answered, and with `5` the session takes the
socket over. Until then the session polls as before; a probe that comes to nothing costs it nothing.
"""

import _socket

from shared.protocol.close_codes import CloseCode
from wsnode import wire
from wsnode.frame_parser import Event, Text
from wsnode.net import Net, State
from wsnode.socketio import engine
from wsnode.socketio.carried import Carried
from wsnode.transport import Transport


class Probe(Transport):
    """One WebSocket on trial."""

    __slots__ = ("_session", "_taken")

    def __init__(self, sock: _socket.socket, net: Net, session: Carried) -> None:
        """Take over a socket after its handshake, for this session."""
        super().__init__(sock, net)
        self._session = session
        self._taken = False
        if session.trial is not None:
            session.trial.lost("another WebSocket is tried")
        session.trial = self

    def received(self, event: Event) -> None:
        """Take one frame; after the change the session's, where it came with the same read."""
        if self._taken:
            self._session.received(event)
        elif isinstance(event, Text) and event.data == engine.PROBE_TEXT:
            self.write(wire.text(engine.PROBED_TEXT.encode()))
            self._session.probe(begins=True)
        elif isinstance(event, Text) and event.data == engine.GO_TEXT and self._session.probing:
            self._hand_over()
        else:
            self.lost("no probe")

    def written(self) -> None:
        """Nothing waits any more; nobody asked."""

    def ended(self, code: int, reason: str) -> None:  # noqa: ARG002  # the session has its own
        """The trial is over; the session goes on polling."""
        if self._session.trial is self:
            self._session.trial = None
            self._session.probe(begins=False)

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:  # noqa: ARG002  # see below
        """Hang up: the session says what there is to say."""
        self.lost(reason)

    def too_long(self) -> None:
        """The trial has had its time."""
        if not self._taken:
            self.lost("the probe took too long")

    def _take(self, event: Event) -> None:
        if self._taken:
            self._session.take(event)
        else:
            super()._take(event)

    def _hand_over(self) -> None:
        if not (self._session.open and self._session.polled) or self.outbox is not None:
            self.lost("nothing to go over to")
            return
        self._taken = True
        self._state = State.CLOSED
        self._net.partial.discard(self)
        self._net.sockets -= 1
        self._reader.stop()
        self._reader.close()
        self._session.adopt(self._sock, self._parser)
