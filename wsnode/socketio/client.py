"""A Socket.IO client: packets in, what they mean to the connection; who it is comes with its CONNECT.

Rule S. A credential of the handshake is judged there and told here, because a client hears a reason only in its own
protocol: `connect_error` for those that bring theirs in `auth`, `disconnect` for those that bring it in the address.
"""

from itertools import count
from typing import Any, Final

from shared.auth.principal import Principal
from shared.errors import AppError, InvalidRequest, Unauthenticated
from shared.protocol.close_codes import REFUSALS, CloseCode
from shared.redis.streams import Since
from wsnode import wire
from wsnode.dialects import native
from wsnode.frame_parser import Event, Text
from wsnode.messages import Waiting
from wsnode.ports import Then, Verdict
from wsnode.socketio import dialects, engine, meaning, packets
from wsnode.socketio.carried import Carried
from wsnode.socketio.sends import Sends

_COMES_BACK: Final = frozenset({429, 500, 503})
"""Refusals after which a client is to try again by itself: those hang up without a word, which makes it do so."""

_SENDS: Final = frozenset({"send_notification", "send", "message"})
_QUERY: Final = "query"
_serials = count(1)


class Client(Carried):
    """One client of Socket.IO."""

    __slots__ = ("ending", "origin", "sends", "verdict", "way")
    ending: bool
    """It sent too much, and leaves once it has the answers that it waits for."""
    origin: str | None
    """The page's, as the handshake had it."""
    sends: Sends
    verdict: Verdict | None
    """What the handshake's credential came to; None: it had none."""
    way: str
    """How the handshake's credential came."""

    def reply(self, ref: str | int, doc: dict[str, Any], *, of: Waiting | None = None) -> None:
        """Answer what waits for it."""
        super().reply(ref, doc, of=of)
        if self.ending:
            self._end(at_once=False)

    def received(self, event: Event) -> None:
        """Take one frame of the WebSocket."""
        if isinstance(event, Text):
            self.packet(event.data)
        else:  # parts of an event that was refused are passed over: the dialects are lenient
            super().received(event)

    def packet(self, text: str) -> None:
        """Take one packet of Engine.IO, whichever way it came."""
        if not self.open:
            return
        try:
            found = engine.decode(text)
            if found.kind == engine.SPEAKS:
                self._message_of(found)
            elif self._control_within_rate() and found.kind == engine.ENDS:
                self.close(CloseCode.NORMAL, "the client closed")
        except (engine.BadPacket, packets.BadPacket) as error:
            self.close(CloseCode.INVALID_DATA, str(error), wait=False)

    def _message_of(self, found: engine.Read) -> None:
        read = packets.Binary(None) if found.binary else packets.decode(found.data)
        if not self._within_rates(read):
            return
        match read:
            case packets.Connect(namespace, auth):
                self._connect(namespace, auth)
            case packets.Disconnect():
                self.close(CloseCode.NORMAL, "the client left")
            case packets.Event() | packets.Answered() if not self.signed_in:
                self.leave(CloseCode.CREDENTIAL_INVALID, "the first packet must be CONNECT")
            case packets.Event():
                self._event(read)
            case packets.Answered(id) if self.dialect.acks:
                self._acked(*dialects.position_of(id))
            case packets.Binary(int(id)):
                self.write(
                    dialects.answered(id, dialects.failure("invalid_request", "Binary is not understood."))
                )

            case _:
                pass  # for a namespace where it is not, or an answer that nobody waits for

    def _connect(self, namespace: str, auth: dict[str, Any]) -> None:
        if namespace != packets.NAMESPACE:
            self.write(_text(packets.refused(namespace, "Invalid namespace")))
        elif not self.signed_in and self._early is None:
            try:
                self.dialect = dialects.of(auth, brought=_brings(auth))
                since = _since(auth)
            except AppError as error:
                self._turn_away(error, auth)
            else:
                self._early = []  # one CONNECT is looked into, whatever else comes meanwhile
                self._judge(auth, lambda found: self._judged(found, since, auth))

    def _judge(self, auth: dict[str, Any], then: Then) -> None:
        """Whom the CONNECT names, else whom the handshake did, or why nobody."""
        token, ticket = auth.get("token"), auth.get("ticket")
        if isinstance(token, str) and token:
            self._services.vetting.soon(token, then)
        elif isinstance(ticket, str) and ticket:
            self.sign_in = "ticket"
            self._services.vetting.redeem(ticket, self.origin, then)
        else:
            self.sign_in = self.way
            found = self.verdict or Unauthenticated("Bring a token or a ticket in auth.")
            then(found if isinstance(found, AppError) else self._services.vetting.still(found))

    def _judged(self, found: Verdict, since: Since, auth: dict[str, Any]) -> None:
        if not self.open or self.signed_in:
            return
        if isinstance(found, AppError):
            self._turn_away(found, auth)
        else:
            self._welcome(found, since)

    def _welcome(self, principal: Principal, since: Since) -> None:
        self.verdict = None
        self.write(_text(packets.connected(self.name)))
        if self.open:  # writing may have shown that the client is gone: it would stay in the hub for ever
            self.admit(principal, since)

    def _turn_away(self, error: AppError, auth: dict[str, Any]) -> None:
        """Say no in the way that this client understands, and close."""
        code = REFUSALS.get(error.status, CloseCode.CREDENTIAL_INVALID)
        if error.status in _COMES_BACK:
            last = b""
        elif self.way == _QUERY and not _brings(auth):
            last = _text(packets.connected(self.name)) + _text(packets.DISCONNECTED)
        else:
            data = {"code": error.code, "retryable": error.retryable}
            last = _text(packets.refused(packets.NAMESPACE, error.message, data))
        self.close(code, error.message, last=last)

    def _event(self, event: packets.Event) -> None:
        try:
            frame = meaning.frame(event, serial=next(_serials))
        except meaning.NotUnderstood as error:
            if event.id is not None:
                self.write(dialects.answered(event.id, dialects.failure("invalid_request", str(error))))
            return
        if frame is not None:
            self.obey(native.understand(frame))

    def _within_rates(self, read: packets.Read) -> bool:
        """Whether the client keeps to its limits; one that does not hears so where it waits, and is closed.

        What it sent before is answered first: it would send that again.
        """
        event = read if isinstance(read, packets.Event) else None
        now = self._net.clock.monotonic()
        due = self._net.limits.messages.after(self._budget_at, now)
        refused = due is None or (event is not None and not self._may(event, now))
        if refused:
            if event is not None and event.id is not None:
                failure = dialects.failure("too_many_requests", "Too many messages.", retryable=True)
                self.write(dialects.answered(event.id, failure))
            self.ending = True
            self._end(at_once=due is None)
        if due is not None:
            self._budget_at = due
        return not refused

    def _may(self, event: packets.Event, now: float) -> bool:
        return not self.ending and (event.name not in _SENDS or self.sends.may(self.app, self.user, now))

    def _end(self, *, at_once: bool) -> None:
        if self.open and (at_once or not self._replies):
            self.leave(CloseCode.TOO_MANY, "too many messages")


def _text(packet: str) -> bytes:
    return wire.text(packet.encode())


def _brings(auth: dict[str, Any]) -> bool:
    """Whether a CONNECT has a credential of its own."""
    return "token" in auth or "ticket" in auth


def _since(auth: dict[str, Any]) -> Since:
    stands = auth.get("since")
    if stands is None:
        return Since()
    found = None
    if isinstance(stands, dict):
        found = native.since(stands.get("epoch"), stands.get("me"), stands.get("all"))
    if found is None:
        raise InvalidRequest("since is an object of epoch (text), me and all (numbers).")
    return found
