"""Hop 9 of 9: one connection: what the session says becomes frames on the socket, what the client says reaches it.

Rule S. Joins transport, session and dialect. An idle connection is this object, its session, a socket and one watcher;
everything else exists only while it is needed.
"""

import _socket
from itertools import count
from typing import Any, Final

from shared import logs
from shared.auth.principal import Principal
from shared.auth.tokens import TokenExpired
from shared.clock import rfc3339
from shared.errors import AppError
from shared.protocol.close_codes import REFUSALS, CloseCode
from shared.redis.streams import Connected, Since
from wsnode import messages
from wsnode.dialects import native
from wsnode.dialects.dialect import Dialect
from wsnode.following import RETRY_AFTER, Following
from wsnode.frame_parser import UNSUPPORTED_DATA, Binary, Event, Text
from wsnode.frame_parser import Ping as PingFrame
from wsnode.messages import (
    Ack,
    Ask,
    Auth,
    Mark,
    Message,
    Ping,
    Refresh,
    Refused,
    Send,
    Unreadable,
    Unwatch,
    Waiting,
    Watch,
)
from wsnode.net import Net
from wsnode.ports import Services
from wsnode.session import Session

REPLIES_MAX: Final = 100
"""Frames of one connection that may wait for a reply."""

EARLY_MAX: Final = 20
"""Messages that may come while the token of the first one is looked into."""

_refs = count(1)
"""What tells apart the frames of a dialect that has no `ref`."""

log = logs.get(__name__)


class Connection(Following):
    """One client. Before it has signed in `user` is empty and there is no `session`."""

    __slots__ = (
        "_budget_at",
        "_control_budget_at",
        "_early",
        "_held",
        "_replies",
        "address",
        "opened_at",
        "sign_in",
    )

    def __init__(
        self,
        sock: _socket.socket | None,
        net: Net,
        services: Services,
        *,
        number: int,
        sign_in: str,
        dialect: Dialect = native,
    ) -> None:
        """Take over a socket after its handshake; `sign_in` is the way the credential comes."""
        super().__init__(sock, net, services, number=number, dialect=dialect)
        self._replies: dict[str | int, Waiting] | None = None
        self._early: list[Message] | None = None
        """What came while the first message's token was looked into."""
        self._held: list[tuple[Ask, Waiting]] | None = None
        """What it asked for while it is not known yet whether its token was revoked."""
        self.opened_at = net.clock.monotonic()
        self._budget_at = self._control_budget_at = 0.0
        self.address = ""
        """Whose this connection counts for; empty if it is not counted."""
        self.sign_in = sign_in

    @property
    def waits(self) -> bool:
        """Whether something that the client sent waits for its reply."""
        return self.open and bool(self._replies)

    def admit(self, principal: Principal, since: Since) -> None:
        """It is this user's; begin to follow the streams from where the client stands."""
        self.app, self.user = principal.app, principal.user or ""
        self._go_by(principal)
        self.session = Session(self.user, since, hold_bytes=self._net.limits.hold_bytes)
        log.info(
            "connection_opened",
            connection=self.name,
            app=self.app,
            user=self.user,
            sign_in=self.sign_in,
            dialect=self.dialect.name,
        )
        self._held = []
        self._services.joined(self, since)

    def opened(self, found: Connected) -> None:
        """The registration found this, and nothing against the token: what the client asked for meanwhile is done."""
        super().opened(found)
        held, self._held = self._held, None
        for message, asked in held or ():
            if self.open:
                self._do(message, asked)

    def _go_by(self, principal: Principal) -> None:
        """What the token says that may be another with the next one."""
        self.expires_at, self.issued_at = principal.expires_at, principal.issued_at
        self.sign_in_session = principal.session
        self.scopes = principal.scopes

    def received(self, event: Event) -> None:
        """Take one frame of the client; a pong has done its work by arriving."""
        if isinstance(event, Text):
            if self._message_within_rate():
                self._message(event.data)
        elif isinstance(event, Binary):
            if not self.dialect.lenient:
                self.close(UNSUPPORTED_DATA, "only text is understood", wait=False)
            else:
                self._message_within_rate()  # it counts, and that is all
        elif self._control_within_rate() and isinstance(event, PingFrame):
            self.pong(event.payload)

    def ended(self, code: int, reason: str) -> None:
        """The connection stopped being open."""
        seconds = round(self._net.clock.monotonic() - self.opened_at, 3)
        said = {"code": int(code), "reason": reason, "seconds": seconds}
        log.info("connection_closed", connection=self.name, user=self.user, **said)
        if self.signed_in:
            self.session.end()
        self._services.left(self, int(code), reason)

    def reply(self, ref: str | int, doc: dict[str, Any], *, of: Waiting | None = None) -> None:
        """Answer a frame that waits for a reply (`of`: only if it is still this one); too late or twice is nothing."""
        waits = self._replies.get(ref) if self._replies else None
        if self._replies is None or waits is None or (of is not None and waits is not of):
            return
        del self._replies[ref]
        self.write(self.dialect.reply(doc))

    def _message(self, text: str) -> None:
        try:
            message = self.dialect.decode(text)
        except Unreadable as error:
            self.close(CloseCode.INVALID_DATA, str(error), wait=False)
        else:
            self.obey(message)

    def obey(self, message: Message) -> None:
        """Do what the client says."""
        if not self.signed_in:
            self._first(message)
            return
        match message:
            case Ack(me, everyone):
                self._acked(me, everyone)
            case Mark() | Send() | Refresh() | Watch() | Unwatch():
                self._ask(message)
            case Ping(ref):
                self.write(self.dialect.pong(ref))
            case Auth(token, ref=None) if self.dialect.lenient:
                self._ask(Refresh(token, None))  # a client that knows no other word for it
            case Auth(ref=ref):
                self._refuse(Refused("conflict", "This connection has signed in.", ref))
            case Refused():
                self._refuse(message)

    def _ask(self, message: Ask) -> None:
        """Do what is answered later, as soon as it is known that the token was not revoked."""
        asked = self._waits(next(_refs) if message.ref is None else message.ref)
        if asked is None:
            return
        if self._held is None:
            self._do(message, asked)
        else:
            self._held.append((message, asked))

    def _do(self, message: Ask, asked: Waiting) -> None:
        services = self._services
        match message:
            case Mark():
                services.mark(self, message, asked)
            case Watch() | Unwatch():
                services.watch(self, message, asked)
            case Refresh(token):
                services.vetting.renew(self, token, lambda found: self._renewed(found, asked))
            case Send(token=None):
                services.send(self, message, asked)
            case Send(token=str(token)):
                services.vetting.same(self, token, lambda found: self._vouched(found, message, asked))

    def _vouched(self, found: Principal | AppError, send: Send, asked: Waiting) -> None:
        """The token that came with a message names this user, or the message is refused."""
        if isinstance(found, AppError):
            self._answer(asked, found)
        elif self.open:
            self._services.send(self, send, asked)

    def _answer(self, asked: Waiting, error: AppError) -> None:
        """Tell a frame that waits that it could not be."""
        refused = Refused(error.code, error.message, asked.ref)
        doc = messages.error(refused, retryable=error.retryable, retry_after=error.retry_after)
        self.reply(asked.ref, doc, of=asked)

    def _refuse(self, refused: Refused, *, retry_after: float | None = None) -> None:
        """Say what is wrong with a frame; `retry_after`: it may be said again then."""
        doc = messages.error(refused, retryable=retry_after is not None, retry_after=retry_after)
        self.write(self.dialect.error(doc))

    def _first(self, message: Message) -> None:
        """Everything before a good `auth` ends the connection."""
        if self._early is not None:
            if len(self._early) < EARLY_MAX:
                self._early.append(message)
            else:
                self.leave(CloseCode.TOO_MANY, "too many messages before the sign-in")
            return
        if not isinstance(message, Auth):
            self.leave(CloseCode.CREDENTIAL_INVALID, "the first message must be auth")
            return
        self._early = []
        self._services.vetting.soon(message.token, lambda found: self._vetted(found, message.since))

    def _vetted(self, found: Principal | AppError, since: Since) -> None:
        """The first message's token names this user, or nobody; then what came meanwhile."""
        early, self._early = self._early or [], None
        if not self.open:
            return
        if isinstance(found, TokenExpired):
            self.leave(CloseCode.TOKEN_EXPIRED, found.message)
        elif isinstance(found, AppError):
            code = REFUSALS.get(found.status, CloseCode.CREDENTIAL_INVALID)
            self.leave(code, found.message, retry_after=found.retry_after)
        else:
            self.admit(found, since)
            for message in early:
                if self.open:  # the answer to one may show that the client is gone
                    self.obey(message)

    def _renewed(self, found: Principal | AppError, asked: Waiting) -> None:
        """The connection goes on with another token, or with the one it has."""
        if not self.open:
            return
        if isinstance(found, AppError):
            self._answer(asked, found)
            return
        self._go_by(found)
        self._services.renewed(self)
        ends = None if found.expires_at is None else rfc3339(found.expires_at)
        self.reply(asked.ref, messages.reply(asked.ref, {"expires_at": ends}), of=asked)

    def _waits(self, ref: str | int) -> Waiting | None:
        """Remember that a frame waits for its reply; None if it may not, which the client is told."""
        replies = self._replies
        if replies is None:
            replies = self._replies = {}
        if ref in replies:
            self._refuse(Refused("invalid_request", "This ref already waits for a reply.", ref))
            return None
        if len(replies) >= REPLIES_MAX:
            refused = Refused("too_many_requests", "Too many frames wait for a reply.", ref)
            self._refuse(refused, retry_after=RETRY_AFTER)
            return None
        replies[ref] = asked = Waiting(ref)
        return asked

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
