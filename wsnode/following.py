"""A connection that follows its streams: what the session says becomes frames in the connection's dialect.

Rule S. Joins transport, session and dialect; what the client says is wsnode.connection's business.
"""

import _socket
from abc import abstractmethod
from typing import Any, Final

from shared import metrics
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import ReplayPart, TailFrame
from shared.redis.streams import Connected, Tails
from wsnode import events as say
from wsnode.dialects.dialect import Dialect
from wsnode.messages import Waiting
from wsnode.net import Net
from wsnode.ports import Services
from wsnode.session import Session
from wsnode.transport import Transport

RETRY_AFTER: Final = 1.0


class Following(Transport):
    """Before the client has signed in `user` is empty and there is no `session`."""

    __slots__ = (
        "_services",
        "app",
        "dialect",
        "expires_at",
        "issued_at",
        "number",
        "scopes",
        "session",
        "sign_in_session",
        "user",
    )
    session: Session
    sign_in: str
    opened_at: float
    address: str

    def __init__(
        self, sock: _socket.socket | None, net: Net, services: Services, *, number: int, dialect: Dialect
    ) -> None:
        """Take over a socket after its handshake."""
        super().__init__(sock, net)
        self._services = services
        self.dialect = dialect
        self.number = number
        self.app = ""
        self.user = ""
        self.expires_at: int | None = None
        """Epoch milliseconds at which the token ends."""
        self.scopes: frozenset[str] = frozenset()
        """What its user may do."""
        self.issued_at: int | None = None
        self.sign_in_session: str | None = None

    @property
    def name(self) -> str:
        """What the connection is called outside: node and number."""
        return f"{self._services.node}.{self.number:x}"

    @property
    def signed_in(self) -> bool:
        """Whether it is known whose connection this is."""
        return self.user != ""

    @property
    @abstractmethod
    def waits(self) -> bool:
        """Whether something that the client sent waits for its reply."""

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        advice = RETRY_AFTER if retry_after is None else retry_after
        self.close(code, reason, last=self.dialect.bye(code, reason, retry_after=advice))

    def beat(self) -> None:
        """Send the heartbeat's ping."""
        self.write(self.dialect.beat)

    def expiring(self) -> None:
        """Tell the client that its token ends soon."""
        if self.expires_at is not None:
            self.tell(self.dialect.expiring(self.expires_at))

    def written(self) -> None:
        """All frames so far were sent: where the client never confirms, those that do not wait here count as confirmed.

        Called after what the session says, and by the transport when what waited is gone; of what the hot path sent
        wsnode.receipts is told.
        """
        if (
            not self.dialect.acks
            and self.outbox is None
            and self.batch is None
            and self.signed_in
            and self.open
        ):
            self._acked(self.session.me or 0, self.session.all or 0)

    @abstractmethod
    def reply(self, ref: str | int, doc: dict[str, Any], *, of: Waiting | None = None) -> None:
        """Answer a frame that waits for a reply."""

    def retract(self, what: say.Retracted, frame: bytes) -> None:
        """Take notifications away, after what it may be about: in a repair that may still be on its way.

        `frame` is `what`, ready in this connection's dialect.
        """
        repair = self.session.repair
        if repair is None:
            self.write(frame)
        else:
            repair.hold_retract(what, self._net.limits.hold_bytes)

    def tell(self, frame: bytes) -> None:
        """Send a ready frame about no place of a stream; where the client has not been greeted yet, after Welcome."""
        repair = self.session.repair
        if repair is None or self.session.epoch:  # which is known from Welcome on
            self.write(frame)
        elif frame:
            repair.hold_said(frame, self._net.limits.hold_bytes)

    def opened(self, found: Connected) -> None:
        """The registration found this."""
        self._perform(self.session.opened(found, self._net.clock.now_ms()))

    def frame(self, stream: str, frame: TailFrame) -> None:
        """A live frame that the hot path did not take."""
        self._perform(self.session.frame(stream, frame, self._net.clock.now_ms()))

    def tails(self, step: int, found: Tails) -> None:
        """The tails that ReadTail asked for."""
        self._perform(self.session.tails(step, found, self._net.clock.now_ms()))

    def replayed(self, part: ReplayPart) -> None:
        """A part of a replay."""
        self._perform(self.session.replayed(part, self._net.clock.now_ms()))

    def overdue(self, step: int) -> None:
        """What the session waited for has had its time."""
        self._perform(self.session.overdue(step, self._net.clock.now_ms()))

    def check(self, epoch: str | None, me_top: int | None, all_top: int | None) -> None:
        """What Redis says of this user's streams."""
        self._perform(self.session.check(epoch, me_top, all_top))

    def _perform(self, events: list[say.Event]) -> None:
        """Do what the session says; its frames leave with one call."""
        out: list[bytes] = []
        for event in events:
            frame = self._encode(event)
            if frame is not None:
                out.append(frame)
                continue
            match event:
                case say.Acked():
                    self._services.acked(self, event)
                case say.Repaired(source):
                    self._services.repaired(source)
                case say.Fail(code, reason):
                    self._say(out, events)
                    out = []
                    self.leave(code, reason)
                case say.AskSync() | say.AskReplay() | say.WaitGap() | say.ReadTail():
                    self._services.ask(self, event)
        self._say(out, events)
        self.written()

    def _encode(self, event: say.Event) -> bytes | None:
        """The frame of an event, if it is one that the client sees."""
        dialect, frame = self.dialect, None
        match event:
            case say.Deliver(stream, seq, prev, fragment, _):
                user = self.user if stream == "me" else None
                frame = dialect.notification(stream, seq, prev, fragment, user)
            case say.Position(stream, prev, seq):
                frame = dialect.position(stream, prev, seq)
            case say.Welcome():
                frame = dialect.welcome(
                    event, connection=self.name, user=self.user, expires_at=self.expires_at
                )
            case say.CaughtUp():
                frame = dialect.caught_up(event)
            case say.Told():
                frame = dialect.told(event)
            case say.Said(ready):
                frame = ready
            case say.Retracted(ids, reason, counts, rev):
                frame = dialect.retract(ids, reason, counts=counts, rev=rev)
        return frame

    def _say(self, out: list[bytes], events: list[say.Event]) -> None:
        """Send frames of `events`; those of a resume do not count as slowness."""
        if any(out):
            delivered = [event for event in events if isinstance(event, say.Deliver)]
            metrics.frames_sent_total.inc(len(delivered))
            self.write(b"".join(out), free=any(event.free for event in delivered))

    def _acked(self, me: int, everyone: int) -> None:
        if (acked := self.session.ack(me, everyone)) is not None:
            self._services.acked(self, acked)
