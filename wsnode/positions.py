"""Compare where the connections stand with what Redis has, and renew presence with the same call.

Rule S. Pub/sub loses silently (measured), and a stream on which nothing more is sent shows no gap: so every user is
looked at each 30 s, in slices, and all at once after this node was deaf.
"""

from functools import partial
from typing import Final

import gevent

from shared import logs
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Streams
from wsnode.epochs import follow
from wsnode.hub import Hub, Room
from wsnode.loops import forever, safely
from wsnode.ports import Peer

SLICE: Final = 250
REST: Final = 1.0

log = logs.get(__name__)


class Positions:
    """Checks positions; `interval` is in seconds."""

    def __init__(self, hub: Hub[Peer], streams: Streams, *, interval: float) -> None:
        self._hub = hub
        self._streams = streams
        self._interval = interval
        self._suspects: set[str] = set()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to walk."""
        return [forever(self._round, part="positions")]

    def check_all(self) -> None:
        """Look at everybody now, and register everybody again. Raises RedisUnavailable."""
        for room in self._hub.rooms():
            self._check_room(room, pause=0)

    def suspect(self, room: Room[Peer]) -> None:
        """A message of another epoch came: look soon whether the streams have begun a new life. Never blocks."""
        if room.app not in self._suspects:
            self._suspects.add(room.app)
            gevent.spawn(self._examine, room)

    def _round(self) -> None:
        total = sum(len(room.connections) for room in self._hub.rooms())
        slices = total // SLICE + 1
        gevent.sleep(self._interval / slices)
        for room in self._hub.rooms():
            try:
                self._check_room(room, pause=self._interval / slices)
            except RedisUnavailable as error:
                log.warning("positions_not_checked", app=room.app, error=error.message)
            except Exception:
                log.exception("positions_failed", app=room.app)  # the next round looks at the others again

    def _examine(self, room: Room[Peer]) -> None:
        try:
            self._check_room(room, pause=0)
        except RedisUnavailable as error:
            log.warning("positions_not_checked", app=room.app, error=error.message)
        except Exception:
            log.exception("positions_failed", app=room.app)
        gevent.sleep(REST)  # a straggler of the old epoch must not start this again and again
        self._suspects.discard(room.app)

    def _check_room(self, room: Room[Peer], *, pause: float) -> None:
        users = room.users()
        for start in range(0, len(users), SLICE):
            if start:
                gevent.sleep(pause)
            self._check(room, users[start : start + SLICE])

    def _check(self, room: Room[Peer], users: list[str]) -> None:
        """One slice: two round trips, then compare; whoever is behind waits as for a gap before anything is read."""
        here = [user for user in users if room.of(user)]
        if not here:
            return
        try:
            found = self._streams.positions(self._hub.node, [(room.app, user) for user in here])
            epoch, top = self._streams.app_top(room.app)
        except Exception as error:  # noqa: BLE001  # a record may hold anything
            self._check_halves(room, here, error)
            return
        if epoch is not None:
            follow(room, epoch)
        for user, (own_epoch, own_top) in zip(here, found, strict=True):
            # A sync puts both records, so one that is missing is asked for as if it were the user's own.
            known = top is not None and own_epoch == epoch
            for peer in room.of(user):
                safely(peer, partial(peer.check, epoch or own_epoch, own_top if known else None, top))

    def _check_halves(self, room: Room[Peer], users: list[str], error: Exception) -> None:
        """Find whose record cannot be read, and go on without it: one of them must not keep the node not ready.

        Raises RedisUnavailable if it is Redis itself that cannot be used.
        """
        self._streams.check()
        if len(users) == 1:
            log.error("stream_unreadable", app=room.app, user=users[0], error=str(error))
            return
        half = len(users) // 2
        self._check(room, users[:half])
        self._check(room, users[half:])
