"""How the parts of a node see each other: a connection as the services see it, the services as a connection sees them.

Protocols, so that neither side imports the other and a test can stand in for either.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from shared.auth.principal import Principal
from shared.errors import AppError
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import ReplayPart, TailFrame
from shared.redis.streams import Connected, Since, Tails
from wsnode import events as say
from wsnode.dialects.dialect import Dialect
from wsnode.messages import Mark, Send, Unwatch, Waiting, Watch
from wsnode.outbox import Outbox
from wsnode.session import Session
from wsnode.ways import Credential


class Peer(Protocol):
    """One connection that has signed in."""

    number: int
    app: str
    user: str
    session: Session
    scopes: frozenset[str]
    """What its user may do."""
    sign_in_session: str | None
    """The session (claim `sid`) that the connection's token belongs to."""
    issued_at: int | None
    """Epoch milliseconds at which its token was made."""
    sign_in: str
    """The way the credential came."""
    opened_at: float
    """When it began, monotonic."""
    address: str
    """Whose it counts for; empty if it is not counted."""
    dialect: Dialect
    """How its frames look; may change while it lives."""
    batch: list[bytes] | None
    """Frames of one delivery that wait to be sent with one call; None while there is no delivery."""
    outbox: Outbox | None
    send: Callable[[bytes | memoryview], int]

    @property
    def name(self) -> str:
        """What the connection is called outside."""
        ...

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        ...

    @property
    def waits(self) -> bool:
        """Whether something that the client sent waits for its reply."""
        ...

    def write(self, data: bytes, *, free: bool = False) -> None:
        """Send a ready frame, after everything before it."""
        ...

    def write_rest(self, data: bytes, sent: int) -> None:
        """Go on where a raw send took only `sent` bytes."""
        ...

    def flush(self) -> None:
        """Send the batch with one call."""
        ...

    def lost(self, reason: str) -> None:
        """The socket is gone."""
        ...

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        ...

    def reply(self, ref: str | int, doc: dict[str, Any], *, of: Waiting | None = None) -> None:
        """Answer a frame that waits for a reply (`of`: only if it is still this one); too late or twice is nothing."""
        ...

    def retract(self, what: say.Retracted, frame: bytes) -> None:
        """Send a retraction, after what it may be about; `frame` is it, ready in the dialect of now."""
        ...

    def tell(self, frame: bytes) -> None:
        """Send a ready frame about no place of a stream; where the client has not been greeted yet, after Welcome."""
        ...

    def opened(self, found: Connected) -> None:
        """The registration found this."""
        ...

    def frame(self, stream: str, frame: TailFrame) -> None:
        """A live frame that the hot path did not take."""
        ...

    def tails(self, step: int, found: Tails) -> None:
        """The tails that ReadTail asked for."""
        ...

    def replayed(self, part: ReplayPart) -> None:
        """A part of a replay."""
        ...

    def overdue(self, step: int) -> None:
        """What the session waited for has had its time."""
        ...

    def check(self, epoch: str | None, me_top: int | None, all_top: int | None) -> None:
        """What Redis says of this user's streams."""
        ...


Took = Callable[[Sequence[Peer]], None]
"""Told, before anything more is sent to them, of those that never confirm: the kernel has all that was sent so far."""

Verdict = Principal | AppError
Then = Callable[[Verdict], None]


class Vets(Protocol):
    """What says whose a credential is: wsnode.vetting. What takes `then` calls it now or soon, and never blocks."""

    def identify(self, credential: Credential, origin: str | None) -> Principal:
        """Whose a handshake's credential is; this one may wait. Raises an AppError."""
        ...

    def still(self, found: Principal) -> Verdict:
        """Whether whom a handshake's credential named gets in now: others of theirs may have come meanwhile."""
        ...

    def soon(self, token: str, then: Then) -> None:
        """Tell `then` whom a token lets in or why nobody."""
        ...

    def redeem(self, ticket: str, origin: str | None, then: Then) -> None:
        """The same for a ticket and the page that uses it."""
        ...

    def same(self, peer: Peer, token: str, then: Then) -> None:
        """The same for a token that has to name the connection's own user, as one that comes with a message."""
        ...

    def renew(self, peer: Peer, token: str, then: Then) -> None:
        """The same for a token that the connection goes on with, which must not have been revoked."""
        ...


class Services(Protocol):
    """What a connection asks of its node. None of these blocks: they run in callbacks of the event loop."""

    node: str

    @property
    def vetting(self) -> Vets:
        """What says whose a token is."""
        ...

    def renewed(self, peer: Peer) -> None:
        """A connection has another token."""
        ...

    def joined(self, peer: Peer, since: Since) -> None:
        """A connection has signed in."""
        ...

    def left(self, peer: Peer, code: int, reason: str) -> None:
        """A connection is over, whether it had signed in or not; `code` and `reason` as a Close frame has them."""
        ...

    def acked(self, peer: Peer, acked: say.Acked) -> None:
        """A client confirmed."""
        ...

    def mark(self, peer: Peer, mark: Mark, asked: Waiting) -> None:
        """A client read, saw or archived; the answer comes by `reply` of `asked`."""
        ...

    def send(self, peer: Peer, send: Send, asked: Waiting) -> None:
        """A client sends; the answer comes by `reply` of `asked`."""

    def watch(self, peer: Peer, watch: Watch | Unwatch, asked: Waiting) -> None:
        """A client watches users, or some no more; the answer comes by `reply` of `asked`."""
        ...

    def ask(self, peer: Peer, wish: say.AskSync | say.AskReplay | say.WaitGap | say.ReadTail) -> None:
        """A session needs something to get back into step."""
        ...

    def repaired(self, source: str) -> None:
        """A session is back in step."""
        ...
