"""/socket.io/ in HTTP: sessions are opened, polled, written to, and go over to a WebSocket.

Rule S. Called in the greenlet of a request, which may wait; a session itself lives in callbacks of the event loop.
What Engine.IO has a code for is refused in its form, everything else in the one error format.
"""

import _socket
import secrets
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from shared.config.values import parse_policy
from shared.errors import AppError, TooManyRequests, Unavailable
from shared.protocol.close_codes import CloseCode
from wsnode import handshake, wire
from wsnode.connection import Connection
from wsnode.deadlines import Deadlines
from wsnode.handshake import Request
from wsnode.http import Headers, refusal
from wsnode.net import Net
from wsnode.ports import Services, Verdict
from wsnode.socketio import engine, requests
from wsnode.socketio.client import Client
from wsnode.socketio.engine import EngineError
from wsnode.socketio.probe import Probe
from wsnode.socketio.sends import Sends
from wsnode.ways import WaySettings

RETRY_AFTER: Final = 2.0
_SID_BYTES: Final = 15
_TOLD: Final = frozenset({"Retry-After", "WWW-Authenticate", "Upgrade", "Sec-WebSocket-Version"})
_TEXT: Final = "text/plain; charset=UTF-8"
_JSON: Final = "application/json"


class LobbySettings(WaySettings, Protocol):
    """The settings that this needs."""

    @property
    def port(self) -> int | None:
        """Where this process listens, if it was told."""
        ...

    @property
    def node_port(self) -> int:
        """Where it listens else."""
        ...

    @property
    def ping_interval(self) -> float:
        """Seconds between two pings."""
        ...

    @property
    def pong_wait(self) -> float:
        """Seconds of silence after a ping."""
        ...

    @property
    def write_deadline(self) -> float:
        """Seconds that a blocked write may stay blocked."""
        ...

    @property
    def frame_max(self) -> int:
        """Bytes of one message, and of one payload."""
        ...

    @property
    def pollers_max(self) -> int:
        """Sessions without a WebSocket on one node."""
        ...

    @property
    def socket_limit(self) -> str:
        """How often a user may send, as a policy."""
        ...


class Host(Services, Protocol):
    """What the lobby asks of its node."""

    @property
    def reason(self) -> str | None:
        """Why new connections are not welcome; None if they are."""
        ...

    def knock(self, request: Request, *, again: bool = False) -> str:
        """The address a handshake counts for; `again`: of who is in already. Raises an AppError if there is no room."""
        ...

    def stranger(self) -> None:
        """One more who has not signed in yet. Raises Unavailable if too many wait for that."""
        ...

    def receive(self, connection: Connection, address: str) -> None:
        """A connection that has not signed in yet."""
        ...


class Reply(NamedTuple):
    """An HTTP answer; `session` is told whether it could be written."""

    status: int
    kind: str
    body: bytes
    headers: Headers
    session: Client | None = None
    close: bool = False
    """Part of the request was not read, so the HTTP connection ends."""


class Switch(NamedTuple):
    """Say 101 with `accept`, then give the socket and what came with it to `enter`."""

    accept: str
    enter: Callable[[_socket.socket, bytes], None]


class Lobby:
    """The sessions of a node."""

    def __init__(self, host: Host, net: Net, settings: LobbySettings, numbers: Iterator[int]) -> None:
        """`numbers` are those of the node's connections."""
        self._host = host
        self._net = net
        self._settings = settings
        self.write_deadline = settings.write_deadline
        self._numbers = numbers
        # A proxy before several nodes leads the requests of a session by it; see deploy/nginx/addresses.conf.
        self._name = settings.port or settings.node_port
        self._sends = Sends(parse_policy(settings.socket_limit))
        self._sessions: dict[str, Client] = {}
        self._probes: Deadlines[Probe] = Deadlines(settings.pong_wait)

    def serve(self, request: Request, read: Callable[[int], bytes]) -> Reply | Switch:
        """Answer one request; `read(most)` reads its body or raises an AppError."""
        origin = request.headers.get("origin")
        try:
            _check_origin(origin, self._settings)
            return self._serve(request, read)
        except EngineError as error:
            return Reply(error.status, _JSON, error.body(), _cors(origin, error), close=True)
        except AppError as error:
            _, headers, body = refusal(error, request.headers.get("x-request-id", ""))
            more = [header for header in headers if header[0] in _TOLD]
            return Reply(error.status, _JSON, body, [*_cors(origin), *more], close=True)

    def sweep(self, now: float) -> None:
        """Give up trials that take too long."""
        for probe in self._probes.take(now):
            probe.too_long()

    def _serve(self, request: Request, read: Callable[[int], bytes]) -> Reply | Switch:
        headers = _cors(request.headers.get("origin"))
        match requests.read(request):
            case requests.Preflight():
                return Reply(HTTPStatus.NO_CONTENT, _TEXT, b"", [*headers, *_PREFLIGHT])
            case requests.Poll(sid):
                session = self._session(sid)
                return Reply(HTTPStatus.OK, _TEXT, session.poll(), headers, session)
            case requests.Post(sid):
                self._post(self._session(sid), read)
                return Reply(HTTPStatus.OK, "text/html", b"ok", headers)
            case requests.Upgrade(sid):
                return self._try(request, self._session(sid))
            case requests.Open(upgraded):
                return self._open(request, headers, upgraded=upgraded)

    def _session(self, sid: str) -> Client:
        found = self._sessions.get(sid)
        if found is None:
            raise engine.unknown_session()
        return found

    def _post(self, session: Client, read: Callable[[int], bytes]) -> None:
        """Packets of the client; one that posts what is none is gone."""
        try:
            body = read(self._settings.frame_max)
            texts = engine.split(body)
        except (AppError, engine.BadPacket) as error:
            session.lost("a bad payload")
            if isinstance(error, AppError):
                raise
            raise engine.bad_request(str(error)) from error
        session.heard = True
        for text in texts:
            session.packet(text)

    def _open(self, request: Request, headers: Headers, *, upgraded: bool) -> Reply | Switch:
        accept = handshake.check_upgrade(request) if upgraded else ""
        if not upgraded and len(self._sessions) >= self._settings.pollers_max:
            raise Unavailable("Too many clients poll here.", retry_after=RETRY_AFTER)
        address = self._host.knock(request)
        self._host.stranger()  # whatever it brings: it is one until its CONNECT
        way, verdict = self._judge(request)
        sid = f"{self._name}.{secrets.token_urlsafe(_SID_BYTES)}"

        def begin(sock: _socket.socket | None) -> Client:
            client = Client(
                sock,
                self._net,
                self._host,
                number=next(self._numbers),
                sid=sid,
                sessions=self._sessions,
            )
            client.way, client.verdict, client.origin = way, verdict, request.headers.get("origin")
            client.sends, client.ending = self._sends, False
            self._host.receive(client, address)  # before anything is written: that may show that it is gone
            client.write(wire.text(self._opening(sid, upgrades=not upgraded).encode()))
            if self._host.reason is not None:  # it came while the others were being sent away
                client.leave(CloseCode.GOING_AWAY, self._host.reason)
            return client

        if upgraded:
            return Switch(accept, lambda sock, ahead: begin(sock).watch(ahead))
        client = begin(None)
        return Reply(HTTPStatus.OK, _TEXT, client.poll(), headers, client)

    def _judge(self, request: Request) -> tuple[str, Verdict | None]:
        """How the request brings a credential, and whose it is or why not. Raises TooManyRequests."""
        way = "message"
        try:
            found = handshake.credential(request, self._settings)
            way = found.way
            if found.token is None and found.ticket is None:
                return way, None
            return way, self._host.vetting.identify(found, request.headers.get("origin"))
        except TooManyRequests:
            raise
        except AppError as error:
            return way, error

    def _try(self, request: Request, session: Client) -> Switch:
        accept = handshake.check_upgrade(request)
        self._host.knock(
            request, again=True
        )  # the session is counted; a trial takes the place of the one before it

        def begin(sock: _socket.socket, ahead: bytes) -> None:
            probe = Probe(sock, self._net, session)
            self._probes.add(probe, self._net.clock.monotonic())
            probe.watch(ahead)

        return Switch(accept, begin)

    def _opening(self, sid: str, *, upgrades: bool) -> str:
        settings = self._settings
        return engine.opening(
            sid,
            upgrades=upgrades,
            ping_interval=2
            * settings.ping_interval,  # rounds of pings begin so often, each of them takes as long
            pong_wait=settings.pong_wait,
            payload_max=settings.frame_max,
        )


_PREFLIGHT: Final[Headers] = [
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "600"),
]


def _check_origin(origin: str | None, settings: WaySettings) -> None:
    try:
        handshake.check_origin(origin, settings)
    except AppError as error:
        raise engine.forbidden(error.message) from error


def _cors(origin: str | None, error: EngineError | None = None) -> Headers:
    """What lets a page of an allowed origin read the answer, with its cookies; for others nothing."""
    headers = [("Vary", "Origin")]
    if origin is None or (error is not None and error.status == HTTPStatus.FORBIDDEN):
        return headers
    return [
        *headers,
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
    ]
