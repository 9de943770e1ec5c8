"""Hop 8 of 9: a batch of envelopes from Redis becomes frames on sockets.

Rule S. Called by wsnode.subscriber with everything that one read brought. For a connection in step the way is short:
hub, `prev <= last < seq`, a frame made once, a raw send. Whoever is not in step goes through its session.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
import orjson

from shared import logs
from shared.clock import Clock
from shared.protocol import envelope
from shared.protocol.envelope import All, Counts, ReplayPart, Reply, State, Synced
from shared.protocol.retract import Retract
from wsnode import events as say
from wsnode import unicasts
from wsnode.broadcasts import Broadcasts
from wsnode.dialects.dialect import Once
from wsnode.hub import Hub, Room
from wsnode.ledger import Ledger
from wsnode.ports import Peer, Took
from wsnode.unicasts import Unicasts

log = logs.get(__name__)


class Delivery:
    """Takes envelopes apart. `foreign` is told of an app whose epoch is not the one we know, `synced` of users whose
    record is in Redis now, `took` of what counts as confirmed; `others` take each kind of envelope that is about no
    stream."""

    def __init__(
        self,
        hub: Hub[Peer],
        clock: Clock,
        *,
        foreign: Callable[[Room[Peer]], None],
        synced: Callable[[str, Sequence[str]], None],
        others: Mapping[type, Callable[[Any], None]],
        took: Took,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._foreign = foreign
        self._synced = synced
        self._others = others
        self._ledger = Ledger(clock)
        self._unicasts = Unicasts(hub, self._ledger, took)
        self._broadcasts = Broadcasts(self._ledger, took)

    def deliver(self, batch: Sequence[bytes]) -> None:
        """Deliver what one read brought, in its order per stream."""
        now = self._clock.now_ms()
        for raw in batch:
            try:
                if raw.startswith(unicasts.HEAD):
                    self._frames(raw, now)
                else:
                    self._other(envelope.decode(raw), now)
            except (ValueError, IndexError, TypeError, KeyError) as error:
                log.warning("envelope_refused", error=str(error), size=len(raw))
            except Exception:
                # One envelope that we handle wrongly must not make the node deaf to all others.
                log.exception("envelope_failed", size=len(raw))
        for flush in (self._broadcasts.flush, self._unicasts.flush):
            try:
                flush()
            except Exception:
                log.exception("flush_failed")  # the same: who missed something finds the gap
        self._ledger.settle()

    def tell(self) -> None:
        """Write the log of what was delivered; called by the timer."""
        self._ledger.tell()

    def _frames(self, raw: bytes, now: int) -> None:
        if self._broadcasts.run:
            self._broadcasts.flush()
        foreign = self._unicasts.take(raw, now)
        if foreign is not None:
            self._foreign(foreign)

    def _other(self, found: envelope.Envelope, now: int) -> None:
        match found:
            case All():
                self._all(found, now)
            case Reply(connection, frame):
                self._reply(connection, frame)
            case State():
                self._state(found)
            case Retract():
                self._retract(found)
            case ReplayPart(connection=connection):
                if (peer := self._hub.named(connection)) is not None:
                    peer.replayed(found)
            case Synced(app, users):
                self._synced(app, users)
            case _:
                self._others[type(found)](found)

    def _all(self, found: All, now: int) -> None:
        room = self._hub.known(found.app)
        if room is None or not room.connections:
            return
        if room.epoch != found.epoch:
            self._foreign(room)
            return
        if not self._broadcasts.run:
            self._unicasts.flush()
        self._broadcasts.take(room, found, now)

    def _reply(self, connection: str, frame: bytes) -> None:
        peer = self._hub.named(connection)
        if peer is not None and (ref := (doc := orjson.loads(frame)).get("ref")) is not None:
            peer.reply(ref, doc)

    def _state(self, found: State) -> None:
        room = self._hub.known(found.app)
        if room is not None:
            frame = Once(lambda dialect: dialect.state(found.frame))
            for peer in room.of(found.user):
                if peer.name != found.except_connection:
                    peer.tell(frame.of(peer.dialect))

    def _retract(self, found: Retract) -> None:
        room = self._hub.known(found.app)
        if room is None:
            return
        # What came before it in this batch leaves before it.
        self._broadcasts.flush()
        self._unicasts.flush()
        if found.users is None:
            what, frame = _retracted(found, None, None)
            for count, peer in enumerate(list(room.connections.values()), 1):
                peer.retract(what, frame.of(peer.dialect))
                if count % unicasts.YIELD_EVERY == 0:
                    gevent.sleep(0)
            return
        for user, rev, numbers in found.users:
            if peers := room.of(user):
                what, frame = _retracted(found, Counts(*numbers), rev)
                for peer in peers:
                    peer.retract(what, frame.of(peer.dialect))


def _retracted(found: Retract, counts: Counts | None, rev: int | None) -> tuple[say.Retracted, Once]:
    what = say.Retracted(found.ids, found.reason, counts, rev)
    return what, Once(lambda dialect: dialect.retract(what.ids, what.reason, counts=counts, rev=rev))
