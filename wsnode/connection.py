"""Hop 9 of 9: one connection: what the session says becomes frames on the socket, what the client says reaches it.

Rule S. Joins transport, session and dialect. An idle connection is this object, its session, a socket and one watcher;
everything else exists only while it is needed.
"""

import _socket
from typing import Final

from shared import logs, metrics
from shared.auth.principal import Principal
from shared.auth.tokens import TokenExpired
from shared.errors import AppError
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import ReplayPart, TailFrame
from shared.redis.streams import Connected, Since, Tails
from wsnode import events as say
from wsnode import native
from wsnode.frame_parser import UNSUPPORTED_DATA, Binary, Event, Ping, Text
from wsnode.native import Ack, Auth, Mark, Refused
from wsnode.net import Net
from wsnode.ports import Services
from wsnode.session import Session
from wsnode.transport import Transport

REPLIES_MAX: Final = 100
"""Frames of one connection that may wait for a reply."""

RETRY_AFTER: Final = 1.0
_REFUSALS: Final = {403: CloseCode.FORBIDDEN, 429: CloseCode.TOO_MANY, 503: CloseCode.GOING_AWAY}

log = logs.get(__name__)


class Connection(Transport):
    """One client. Before it has signed in `user` is empty and there is no `session`."""

    __slots__ = (
        "_budget_at",
        "_control_budget_at",
        "_replies",
        "_services",
        "address",
        "app",
        "expires_at",
        "number",
        "opened_at",
        "session",
        "sign_in",
        "user",
    )
    session: Session

    def __init__(
        self, sock: _socket.socket, net: Net, services: Services, *, number: int, sign_in: str
    ) -> None:
        """Take over a socket after its handshake; `sign_in` is the way the credential comes."""
        super().__init__(sock, net)
        self._services = services
        self._replies: dict[str | int, Mark] | None = None
        self.number = number
        self.app = ""
        self.user = ""
        self.expires_at: int | None = None
        """Epoch milliseconds at which the token ends."""
        self.opened_at = net.clock.monotonic()
        self._budget_at = self._control_budget_at = 0.0
        self.address = ""
        """Whose this connection counts for; empty if it is not counted."""
        self.sign_in = sign_in

    @property
    def name(self) -> str:
        """What the connection is called outside: node and number."""
        return f"{self._services.node}.{self.number:x}"

    @property
    def signed_in(self) -> bool:
        """Whether it is known whose connection this is."""
        return self.user != ""

    def admit(self, principal: Principal, since: Since) -> None:
        """It is this user's; begin to follow the streams from where the client stands."""
        self.app, self.user = principal.app, principal.user or ""
        self.expires_at = principal.expires_at
        self.session = Session(self.user, since, hold_bytes=self._net.limits.hold_bytes)
        log.info(
            "connection_opened", connection=self.name, app=self.app, user=self.user, sign_in=self.sign_in
        )
        self._services.joined(self, since)

    def received(self, event: Event) -> None:
        """Take one frame of the client; a pong has done its work by arriving."""
        if isinstance(event, Binary):
            self.close(UNSUPPORTED_DATA, "only text is understood", wait=False)
        elif isinstance(event, Text):
            if self._message_within_rate():
                self._message(event.data)
        elif self._control_within_rate() and isinstance(event, Ping):
            self.pong(event.payload)

    def ended(self, code: int, reason: str) -> None:
        """The connection stopped being open."""
        seconds = round(self._net.clock.monotonic() - self.opened_at, 3)
        said = {"code": int(code), "reason": reason, "seconds": seconds}
        log.info("connection_closed", connection=self.name, user=self.user, **said)
        if self.signed_in:
            self.session.end()
        self._services.left(self)

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        advice = RETRY_AFTER if retry_after is None else retry_after
        self.close(code, reason, last=native.bye(code, reason, retry_after=advice))

    def reply(self, ref: str | int, frame: bytes, *, of: Mark | None = None) -> None:
        """Answer a frame that waits for a reply (`of`: only if it is still this one); too late or twice is nothing."""
        waits = self._replies.get(ref) if self._replies else None
        if self._replies is None or waits is None or (of is not None and waits is not of):
            return
        del self._replies[ref]
        self.write(frame)

    def retract(self, frame: bytes) -> None:
        """Send a ready retract frame, after what it may be about: in a repair that may still be on its way."""
        repair = self.session.repair
        if repair is None:
            self.write(frame)
        else:
            repair.hold_retract(frame, self._net.limits.hold_bytes)

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
                case say.Retracted(ready):
                    out.append(ready)
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

    def _encode(self, event: say.Event) -> bytes | None:
        """The frame of an event, if it is one that the client sees."""
        match event:
            case say.Deliver(stream, seq, prev, fragment, _):
                return native.notification(stream, seq, prev, fragment)
            case say.Position(stream, prev, seq):
                return native.position(stream, prev, seq)
            case say.Welcome():
                return native.welcome(event, connection=self.name, user=self.user, expires_at=self.expires_at)
            case say.CaughtUp():
                return native.caught_up(event)
            case say.Told():
                return native.told(event)
            case _:
                return None

    def _say(self, out: list[bytes], events: list[say.Event]) -> None:
        """Send frames of `events`; those of a resume do not count as slowness."""
        if out:
            delivered = [event for event in events if isinstance(event, say.Deliver)]
            metrics.frames_sent_total.inc(len(delivered))
            self.write(b"".join(out), free=any(event.free for event in delivered))

    def _message(self, text: str) -> None:
        try:
            message = native.decode(text)
        except native.NotAnObject as error:
            self.close(CloseCode.INVALID_DATA, str(error), wait=False)
            return
        if not self.signed_in:
            self._first(message)
            return
        match message:
            case Ack(me, everyone):
                if (acked := self.session.ack(me, everyone)) is not None:
                    self._services.acked(self, acked)
            case Mark():
                self._mark(message)
            case native.Ping(ref):
                self.write(native.pong(ref))
            case Auth(ref=ref):
                self.write(native.error(Refused("conflict", "This connection has signed in.", ref)))
            case Refused():
                self.write(native.error(message))

    def _first(self, message: native.Message) -> None:
        """Everything before a good `auth` ends the connection."""
        if not isinstance(message, Auth):
            self.leave(CloseCode.CREDENTIAL_INVALID, "the first message must be auth")
            return
        try:
            principal = self._services.sign_in(message.token)
        except TokenExpired as error:
            self.leave(CloseCode.TOKEN_EXPIRED, error.message)
        except AppError as error:
            code = _REFUSALS.get(error.status, CloseCode.CREDENTIAL_INVALID)
            self.leave(code, error.message, retry_after=error.retry_after)
        else:
            self.admit(principal, message.since)

    def _mark(self, mark: Mark) -> None:
        replies = self._replies
        if replies is None:
            replies = self._replies = {}
        if mark.ref in replies:
            self.write(
                native.error(Refused("invalid_request", "This ref already waits for a reply.", mark.ref))
            )
        elif len(replies) >= REPLIES_MAX:
            refused = Refused("too_many_requests", "Too many frames wait for a reply.", mark.ref)
            self.write(native.error(refused, retryable=True, retry_after=RETRY_AFTER))
        else:
            # What waits for a reply does not keep the ids: with 500 of them each they would be the larger part.
            replies[mark.ref] = asked = mark._replace(ids=[])
            self._services.mark(self, mark, asked)

    def _message_within_rate(self) -> bool:
        """Whether the client keeps to its messages per second; one that does not is closed."""
        due = self._net.limits.messages.after(self._budget_at, self._net.clock.monotonic())
        if due is None:
            self.leave(CloseCode.TOO_MANY, "too many messages a second")
            return False
        self._budget_at = due
        return True

    def _control_within_rate(self) -> bool:
        """The same for pings and pongs, which cost us as much and bring nobody anything."""
        due = self._net.limits.controls.after(self._control_budget_at, self._net.clock.monotonic())
        if due is None:
            self.leave(CloseCode.TOO_MANY, "too many pings a second")
            return False
        self._control_budget_at = due
        return True
