"""Whether this node counts: its subscription hears, its lease lives, its users are registered.

Rule S. A node is ready only when all three hold. After every new subscription, and when the lease is found gone, all
users are registered again and all positions compared before it is ready: what was published meanwhile it never heard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import gevent
from gevent.event import Event

from shared import logs, metrics
from shared.protocol.envelope import Probe, encode_probe
from shared.redis.bus import Bus
from shared.redis.client import RedisUnavailable
from shared.redis.leases import Leases
from wsnode.loops import forever

MISSES: Final = 3
"""Probes in a row that may be unheard; one more, and the subscription counts as deaf."""

BACK_OFF: Final = 0.5

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is; its lease says where."""

    node: str
    address: str


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between two renewals of the lease, and between two probes."""

    refresh: float
    probe: float


class Membership:
    """Lease, probe, readiness. `recover` registers and checks all users; `cut` drops a deaf subscription."""

    def __init__(
        self,
        identity: Identity,
        leases: Leases,
        bus: Bus,
        *,
        recover: Callable[[], None],
        cut: Callable[[], None],
        rhythm: Rhythm,
    ) -> None:
        self._node = identity.node
        self._address = identity.address
        self._leases = leases
        self._bus = bus
        self._recover = recover
        self._cut = cut
        self._rhythm = rhythm
        self._subscribed = False
        self._registered = False
        self._leased = False
        self._redis = True
        self._times = 0
        self._probed = 0
        self._heard = 0
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to renew, probe and recover."""
        return [
            forever(self._round_lease, part="lease"),
            forever(self._round_probe, part="probe"),
            forever(self._round_recovery, part="recovery", wake=self._wake),
        ]

    @property
    def ready(self) -> bool:
        """Whether new connections are welcome."""
        return self.reason is None

    @property
    def redis(self) -> bool:
        """Whether Redis answered last time."""
        return self._redis and self._subscribed

    @property
    def reason(self) -> str | None:
        """Why this node is not ready; None if it is."""
        if not self._subscribed:
            return "not subscribed"
        if not self._redis:
            return "Redis does not answer"
        if not self._leased or not self._registered:
            return "users are being registered again"
        return None

    def subscribed(self) -> None:
        """A new subscription hears; whatever was published before it is lost."""
        self._subscribed = True
        self._heard = self._probed
        self._desync("subscribed")

    def unsubscribed(self) -> None:
        """The subscription is gone."""
        self._subscribed = self._registered = False

    def heard(self, probe: Probe) -> None:
        """A probe came back."""
        self._heard = probe.number

    def drop(self) -> None:
        """Give up the lease, as before the process ends."""
        self._leased = False
        try:
            self._leases.drop(self._node)
        except RedisUnavailable as error:
            log.warning("lease_not_dropped", error=error.message)

    def _hears(self) -> bool:
        return self._subscribed

    def _desync(self, why: str) -> None:
        self._registered = False
        if self._times:
            metrics.node_desync_total.inc()
            log.warning("node_desync", reason=why)
        self._times += 1
        self._wake.set()

    def _round_recovery(self) -> None:
        self._wake.wait()
        self._wake.clear()
        if not self._subscribed:
            return
        try:
            self._leases.take(self._node, self._address)
            self._leased = True
            self._recover()
        except RedisUnavailable as error:
            log.warning("recovery_waits", error=error.message)
            self._redis = False
            gevent.sleep(BACK_OFF)
            self._wake.set()
        else:
            self._redis = True
            # Woken again meanwhile: something was lost after its user had been checked.
            self._registered = self._hears() and not self._wake.is_set()
            log.info("node_ready" if self._registered else "node_recovers_again", node=self._node)

    def _round_lease(self) -> None:
        gevent.sleep(self._rhythm.refresh)
        if not self._leased:
            return
        try:
            alive = self._leases.renew(self._node)
        except RedisUnavailable as error:
            log.warning("lease_not_renewed", error=error.message)
            self._redis = False
        else:
            self._redis = True
            if not alive:
                self._leased = False
                self._desync("the lease was gone")

    def _round_probe(self) -> None:
        gevent.sleep(self._rhythm.probe)
        if not self._subscribed:
            return
        try:
            self._bus.to_node(self._node, encode_probe(self._probed + 1))
            self._probed += 1
            self._redis = True
        except RedisUnavailable as error:
            log.warning("probe_not_sent", error=error.message)
            self._redis = False
        if self._probed - self._heard > MISSES:
            log.warning("subscription_deaf", unheard=self._probed - self._heard)
            self._heard = self._probed
            self._cut()
