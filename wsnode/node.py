"""A node: its parts put together, and what connections and handshakes ask of it.

Rule C. Everything that may block has its greenlet here; connections themselves live in callbacks of the event loop.
"""

import _socket
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, cast

import gevent

from shared import logs, metrics
from shared.clock import Clock
from shared.config import Settings
from shared.errors import Unavailable
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Probe
from shared.protocol.presence import Presence
from shared.protocol.revoke import Revoke
from shared.queue import JobQueue
from shared.redis import keys
from shared.redis.acks import Acks
from shared.redis.bus import Bus
from shared.redis.client import connect
from shared.redis.leases import Leases
from shared.redis.revocations import Revocations
from shared.redis.streams import Since
from shared.redis.tickets import Tickets
from shared.verifier import verifier
from wsnode import events as say
from wsnode import handshake, parts
from wsnode.attendance import Attendance, streams_of
from wsnode.connection import Connection
from wsnode.delivery import Delivery
from wsnode.drain import drain, finish
from wsnode.entrance import Entrance
from wsnode.handshake import Accepted, Request
from wsnode.heartbeat import TICK, Heartbeat
from wsnode.hub import Hub
from wsnode.jobs import Jobs
from wsnode.loops import each
from wsnode.marks import Marks
from wsnode.membership import Identity, Membership, Rhythm
from wsnode.messages import Mark, Send, Unwatch, Waiting, Watch
from wsnode.net import Net, limits_of
from wsnode.ports import Peer
from wsnode.positions import Positions
from wsnode.receipts import Receipts
from wsnode.repairs import Repairs
from wsnode.revoking import Revoking
from wsnode.socketio.lobby import Lobby
from wsnode.submitting import submitting
from wsnode.subscriber import Subscriber
from wsnode.vetting import Vetting
from wsnode.walls import RETRY_AFTER

REDIS_TIMEOUT: Final = 3.0
FINISH_WAIT: Final = 3.0
"""Seconds after the last client for the journal and the broker to take what clients sent."""

log = logs.get(__name__)


class Node:
    """One WebSocket node; `name` is its random id."""

    def __init__(self, settings: Settings, clock: Clock, *, name: str) -> None:
        self.node = name
        self._settings = settings
        self._clock = clock
        self._draining = False
        self._numbers = count(1)
        self._hub: Hub[Peer] = Hub(name)
        self._entrance = Entrance(settings, clock, self._hub)
        self._net = Net(gevent.get_hub().loop, clock, limits_of(settings))
        self.lobby = Lobby(self, self._net, settings, self._numbers)
        self._build()

    def _build(self) -> None:
        """Make the parts; each gets what it needs and nothing else."""
        settings, hub, name = self._settings, self._hub, self.node
        client = connect(settings.redis_url, timeout=REDIS_TIMEOUT, name=f"bellhop-node-{name}")
        streams = streams_of(settings, client)
        queue = JobQueue(settings.broker_url, timeout=REDIS_TIMEOUT)
        self._jobs = Jobs(queue)
        self._marks = Marks(name, self._jobs)
        self._submitting = submitting(settings, self._jobs, self._clock)
        self._receipts = Receipts(Acks(client), queue)
        self._attendance = Attendance(settings, self._clock, hub, client, streams)
        self._repairs = Repairs(
            name, streams, self._jobs, hold_gap=settings.hold_gap, deadline=settings.replay_deadline
        )
        self._positions = Positions(hub, streams, interval=settings.position_interval)
        revocations = Revocations(client, life=settings.revocation_life)
        self._revoking = Revoking(hub, revocations)
        self._verifier = verifier(settings, self._clock.now_ms)
        self.vetting = Vetting(
            self._verifier, self._clock, Tickets(client), revocations, room=self._entrance.room
        )
        self._membership = Membership(
            Identity(name, f"{settings.bind}:{settings.port or settings.node_port}"),
            Leases(client, life=settings.lease_life),
            Bus(client),
            recover=self._recover,
            cut=lambda: self._subscriber.cut(),  # noqa: PLW0108  # it is made later
            rhythm=Rhythm(settings.lease_refresh, settings.probe_interval),
        )
        self._listen()

    def _listen(self) -> None:
        """Make what hears: the subscription, the delivery behind it, the timer."""
        settings = self._settings
        delivery = Delivery(
            self._hub,
            self._clock,
            foreign=self._positions.suspect,
            synced=self._synced,
            others={
                Revoke: self._revoking.take,
                Presence: self._attendance.told,
                Probe: self._membership.heard,
            },
            took=self._receipts.took,
        )
        self._subscriber = Subscriber(
            settings.redis_url,
            keys.channel(self.node),
            deliver=delivery.deliver,
            subscribed=self._membership.subscribed,
            unsubscribed=self._membership.unsubscribed,
        )
        self._heartbeat = Heartbeat(
            self._clock,
            ping_interval=settings.ping_interval,
            pong_wait=settings.pong_wait,
            everybody=lambda: cast(list[Any], self._hub.members()),
            sweeps=[self._repairs.sweep, lambda _: delivery.tell()],
            slow_sweeps=[self._sweep, self._marks.sweep, self._submitting.sweep, self.lobby.sweep],
        )

    @property
    def redis(self) -> bool:
        """Whether Redis answers."""
        return self._membership.redis

    @property
    def reason(self) -> str | None:
        """Why new connections are not welcome; None if they are."""
        return "draining" if self._draining else self._membership.reason

    @property
    def handshake_deadline(self) -> float:
        """Seconds for a request from the first wait to its last header."""
        return self._settings.handshake_deadline

    def start(self) -> None:
        """Begin to live: subscribe, take the lease, beat."""
        self._verifier.start()
        asking = (self._jobs, self._submitting, self._receipts, self._repairs)
        following = (self._attendance, self._positions, self._membership, self._subscriber)
        self._greenlets = parts.start((*asking, *following))
        self._timer = self._net.loop.timer(TICK, TICK)
        self._timer.start(self._tick)
        log.info("node_started", node=self.node)

    def drain(self) -> None:
        """Send everybody away politely, then leave Redis in order."""
        self._draining = True
        each(self._receipts.flush)  # so that the nodes to which clients go know what these have confirmed
        everybody = [*self._hub.members(), *self._entrance.strangers]
        window, retry = self._settings.drain_window, self._settings.drain_retry
        drain(everybody, window=window, retry=retry, busy=lambda: self._net.sockets)
        # Accepted from a socket is accepted: what has no job yet would wait for the reconciler.
        if not finish(self._submitting.idle, self._jobs.idle, wait=FINISH_WAIT):
            log.warning("jobs_left", node=self.node)
        each(self._receipts.flush, self._attendance.flush, self._membership.drop)
        log.info("node_stopped", node=self.node)

    def decide(self, request: Request) -> Accepted:
        """Check one handshake. Raises an AppError."""
        origin = request.headers.get("origin")
        accepted = handshake.decide(
            request,
            self._settings,
            identify=lambda credential: self.vetting.identify(credential, origin),
            knock=lambda: self.knock(request),
        )
        if accepted.principal is None:
            self.stranger()
        return accepted

    def stranger(self) -> None:
        """One more who has not signed in yet. Raises Unavailable if too many wait for that."""
        self._entrance.stranger()

    def receive(self, connection: Connection, address: str) -> None:
        """Take in a connection that has not signed in yet."""
        self._entrance.take(connection, address)

    def knock(self, request: Request, *, again: bool = False) -> str:
        """The address that a handshake counts for (Entrance.knock). Raises an AppError if there is no room for it."""
        if self.reason is not None:
            raise Unavailable(f"This node takes no connections: {self.reason}.", retry_after=RETRY_AFTER)
        return self._entrance.knock(request, again=again)

    def enter(self, sock: _socket.socket, ahead: bytes, accepted: Accepted) -> None:
        """Take over the socket of an accepted handshake."""
        connection = Connection(
            sock,
            self._net,
            self,
            number=next(self._numbers),
            sign_in=accepted.sign_in,
            dialect=accepted.dialect,
        )
        self.receive(connection, accepted.address)
        if accepted.principal is not None:
            connection.admit(accepted.principal, accepted.since)
        connection.watch(ahead)
        if self._draining:  # it came while the others were being sent away
            connection.leave(CloseCode.GOING_AWAY, "the node is going away")

    def renewed(self, peer: Peer) -> None:
        """A connection has another token."""
        self._heartbeat.expires(cast(Connection, peer))

    def joined(self, peer: Peer, since: Since) -> None:
        """A connection has signed in: hold its frames, register it, then follow."""
        connection = cast(Connection, peer)
        self._entrance.known(connection)
        self._hub.add(peer.app, peer)
        self._heartbeat.expires(connection)
        if peer.session.repair is not None:
            self._repairs.opening(peer, peer.session.repair.step, self._clock.monotonic())
        self._attendance.joined(peer, since)

    def left(self, peer: Peer, code: int, reason: str) -> None:
        """A connection is over, whether it had signed in or not."""
        self._entrance.gone(cast(Connection, peer))
        if peer.user:
            self._attendance.left(peer, code, reason)
            self._receipts.gone(peer)
        self._entrance.tell()

    def acked(self, peer: Peer, acked: say.Acked) -> None:
        """A client confirmed."""
        self._receipts.add(peer, acked)

    def mark(self, peer: Peer, mark: Mark, asked: Waiting) -> None:
        """A client read, saw or archived; `asked` is what waits for the reply."""
        self._marks.ask(peer, mark, asked, self._clock.monotonic())

    def send(self, peer: Peer, send: Send, asked: Waiting) -> None:
        """A client sends; the answer comes by `reply` of `asked`."""
        self._submitting.send(peer, send, asked)

    def watch(self, peer: Peer, watch: Watch | Unwatch, asked: Waiting) -> None:
        """A client watches users, or some no more; `asked` is what waits for the reply."""
        self._attendance.watch(peer, watch, asked)

    def ask(self, peer: Peer, wish: say.AskSync | say.AskReplay | say.WaitGap | say.ReadTail) -> None:
        """A session needs something to get back into step."""
        self._repairs.ask(peer, wish, self._clock.monotonic())

    def repaired(self, source: str) -> None:
        """A session is back in step."""
        metrics.gap_repairs_total.labels(source).inc()

    def _recover(self) -> None:
        """After deafness: who may still be here, and where everybody stands. Raises RedisUnavailable."""
        self._revoking.check_all()
        self._positions.check_all()
        self._attendance.registrar.recount()

    def _synced(self, app: str, users: Sequence[str]) -> None:
        """The users' records are in Redis now: whoever waits for them reads again."""
        self._repairs.synced(app, users)
        self._attendance.registrar.again(app, users)

    def _sweep(self, now: float) -> None:
        self._net.sweep(now, self._settings.write_deadline)
        self._entrance.sweep(now)

    def _tick(self) -> None:
        try:
            self._heartbeat.tick()
        except Exception:
            # The one timer of all connections must go on whatever one of them did.
            log.exception("tick_failed")
