"""A node of the model: the real hub, delivery, connections, sessions, repairs, positions, registrar and receipts.

Only what touches the outside is the model's: sockets (tests.model.wire), Redis, the queue and the clock. It is put
together as wsnode.node does it.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar, cast

import gevent
from gevent.event import Event

from shared.auth.principal import user_principal
from shared.protocol.jobs import JobArgs
from shared.protocol.jobs import Receipts as ReceiptsJob
from shared.redis.streams import Connected, Since, Tails
from tests.model.clock import ModelClock
from tests.model.database import APP
from tests.model.redis import Redis
from tests.model.wire import Loop, Wire
from wsnode import events as say
from wsnode.connection import Connection
from wsnode.delivery import Delivery
from wsnode.frame_parser import Text
from wsnode.hub import Hub, Room
from wsnode.messages import Mark, Unwatch, Waiting, Watch
from wsnode.net import Limits, Net
from wsnode.ports import Peer
from wsnode.positions import Positions
from wsnode.rate import Rate
from wsnode.receipts import Receipts
from wsnode.registrar import Registrar
from wsnode.repairs import Repairs

T = TypeVar("T")
HOLD_GAP = 0.25
DEADLINE = 10.0
OUTBOX_BYTES = 2000
Enqueue = Callable[[JobArgs, Callable[[], None]], None]


class Link:
    """Redis as one node reaches it: while it is slow, a call waits on its way there, and again on its way back."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._gates: list[Event] = []
        self.slow = False

    def connect(
        self,
        node: str,
        users: Sequence[tuple[str, str, Since]],
        *,
        sessions: Sequence[str | None] = (),
    ) -> list[Connected]:
        return self._call(lambda: self._redis.connect(node, users))

    def disconnect(self, node: str, users: Sequence[tuple[str, str]]) -> None:
        self._call(lambda: self._redis.disconnect(node, users))

    def positions(self, node: str, users: Sequence[tuple[str, str]]) -> list[tuple[str | None, int | None]]:
        return self._call(lambda: self._redis.positions(node, users))

    def tails(self, app: str, user: str, *, me: int, all: int) -> Tails:
        return self._call(lambda: self._redis.tails(app, user, me=me, all=all))

    def app_top(self, app: str) -> tuple[str | None, int | None]:
        return self._call(lambda: self._redis.app_top(app))

    @property
    def waiting(self) -> int:
        return len(self._gates)

    def let_through(self, pick: int) -> None:
        """Let one waiting call go a step further."""
        if self._gates:
            self._gates.pop(pick % len(self._gates)).set()

    def let_all_through(self) -> None:
        while self._gates:
            self._gates.pop(0).set()

    def _call(self, ask: Callable[[], T]) -> T:
        self._wait()
        found = ask()
        self._wait()
        return found

    def _wait(self) -> None:
        if self.slow:
            gate = Event()
            self._gates.append(gate)
            gate.wait()


class _Jobs:
    """The way to the queue as Repairs and Receipts know it."""

    def __init__(self, enqueue: Enqueue) -> None:
        self._enqueue = enqueue

    def put(self, args: JobArgs, failed: Callable[[], None]) -> None:
        self._enqueue(args, failed)

    def enqueue(self, args: ReceiptsJob) -> None:
        self._enqueue(args, lambda: None)


class ModelNode:
    """One node; a connection asks of it what wsnode.node gives."""

    def __init__(
        self, name: str, redis: Redis, clock: ModelClock, enqueue: Enqueue, *, hold_bytes: int, acked: Any
    ) -> None:
        """`acked(peer, acked)` looks at each ack that a session lets through."""
        self.node = name
        self._redis = redis
        self._clock = clock
        self._acked = acked
        self._numbers = count(1)
        self.loop = Loop()
        self.hub: Hub[Peer] = Hub(name)
        limits = Limits(
            frame_max=65536,
            fragments_max=64,
            outbox_bytes=OUTBOX_BYTES,
            hold_bytes=hold_bytes,
            messages=Rate(1000, 10),
            controls=Rate(1000, 10),
            message_deadline=10,
        )
        self._net = Net(self.loop, clock, limits)
        self.link = Link(redis)
        streams, jobs = cast(Any, self.link), cast(Any, _Jobs(enqueue))
        self.receipts = Receipts(cast(Any, redis), jobs)
        self._registrar = Registrar(self.hub, streams, streams)
        self._repairs = Repairs(name, streams, jobs, hold_gap=HOLD_GAP, deadline=DEADLINE)
        self._positions = Positions(self.hub, streams, interval=30.0)
        self._delivery = Delivery(
            self.hub,
            clock,
            foreign=self._foreign,
            synced=self._synced,
            others={},
            took=self.receipts.took,
        )
        self._greenlets = self._registrar.start() + self._repairs.start()
        self.suspects = False
        self.hears = False
        self.subscribe()

    # What happens to a node

    def subscribe(self) -> None:
        """A subscription is made: lease, then everybody again, as Membership does it."""
        self._redis.subscribe(self.node)
        self.hears = True
        self.renew(anew=True)

    def unsubscribe(self) -> None:
        self._redis.unsubscribe(self.node)
        self.hears = False

    def renew(self, *, anew: bool = False) -> None:
        """The lease each few seconds; if it was gone, everybody is registered and checked again."""
        if self.hears and (anew or self.node not in self._redis.leases):
            self._redis.lease(self.node)
            self.check()

    def check(self) -> None:
        """Compare all positions with Redis."""
        self._greenlets.append(gevent.spawn(self._positions.check_all))

    def sweep(self) -> None:
        """Deadlines, and what is done each second."""
        self._repairs.sweep(self._clock.monotonic())
        self._net.sweep(self._clock.monotonic(), 10.0)
        if self.suspects:
            self.suspects = False
            self.check()
        self.renew()

    def take(self, messages: Sequence[bytes]) -> None:
        """One read of the subscription brought these."""
        self._delivery.deliver(messages)

    def die(self) -> None:
        """`kill -9`."""
        self.unsubscribe()
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        gevent.sleep(0)

    def failed(self) -> BaseException | None:
        """What ended a greenlet that should run for ever."""
        self._greenlets = [one for one in self._greenlets if not one.dead or one.exception is not None]
        return next((one.exception for one in self._greenlets if one.exception is not None), None)

    # What a device does

    def accept(self, wire: Wire, user: str, since: Since) -> Connection:
        """A handshake was good."""
        connection = Connection(
            cast(Any, wire), self._net, cast(Any, self), number=next(self._numbers), sign_in="header"
        )
        principal = user_principal(app=APP, user=user, scopes=(), expires_at=1 << 52)
        connection.admit(principal, since)
        return connection

    def hear(self, connection: Connection, text: str) -> None:
        """A message of a client arrived."""
        if connection.open:
            connection.received(Text(text))

    def unblock(self, wire: Wire) -> None:
        """The client reads again."""
        wire.room = None
        self.loop.writable(wire.fileno())

    # Services of a connection, as in wsnode.node

    def joined(self, peer: Peer, since: Since) -> None:
        self.hub.add(peer.app, peer)
        if peer.session.repair is not None:
            self._repairs.opening(peer, peer.session.repair.step, self._clock.monotonic())
        self._registrar.join(peer, since)

    def left(self, peer: Peer, code: int, reason: str) -> None:
        if peer.user and self.hub.remove(peer.app, peer):
            self._registrar.leave(peer.app, peer.user)

    def acked(self, peer: Peer, acked: say.Acked) -> None:
        self._acked(peer, acked)
        self.receipts.add(peer, acked)

    def mark(self, peer: Peer, mark: Mark, asked: Waiting) -> None:
        raise AssertionError("devices of the model mark nothing")

    def watch(self, peer: Peer, watch: Watch | Unwatch, asked: Waiting) -> None:
        raise AssertionError("devices of the model watch nobody")

    def ask(self, peer: Peer, wish: say.AskSync | say.AskReplay | say.WaitGap | say.ReadTail) -> None:
        self._repairs.ask(peer, wish, self._clock.monotonic())

    def repaired(self, source: str) -> None:
        pass

    def _foreign(self, room: Room[Peer]) -> None:
        self.suspects = True

    def _synced(self, app: str, users: Sequence[str]) -> None:
        self._repairs.synced(app, users)
        for user in users:
            for peer in self.hub.room(app).of(user):
                self._registrar.join(peer, peer.session.since)
