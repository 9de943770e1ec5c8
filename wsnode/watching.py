"""Users whose presence connections here watch: kept in Redis for this node, and told to those connections.

Rule S. Redis tells a node when a user whom it watches comes or leaves. Such a message may be lost, and Redis may forget
what was known: so each 30 s the node says again whom it watches, hears who is online, and tells what is not as it was
told. A watched user is an entry here whoever watches; a connection that watches nobody costs nothing.
"""

from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Final

import gevent
from gevent.event import Event

from shared import logs
from shared.clock import Clock
from shared.protocol.presence import Presence as Told
from shared.redis.client import RedisUnavailable
from shared.redis.presence import BATCH, Name, Presence
from wsnode.announcing import signal
from wsnode.loops import forever, safely
from wsnode.messages import Refused, Unwatch, Waiting, Watch, error, reply
from wsnode.ports import Peer
from wsnode.unicasts import YIELD_EVERY

WATCHED_MAX: Final = 100_000
"""Users whom one node watches, about 40 MiB; over it a connection is refused more."""
SHARE: Final = 10_000
"""Of them one user has at most so many, on all connections together, so that nobody takes them all."""
REFRESH: Final = 30.0
"""Seconds between two rounds of saying whom this node watches: a lost message is made good within them."""
ASKS: Final = 100
"""Frames answered with one question to Redis."""
RETRY_AFTER: Final = 1.0
RIGHT: Final = "presence:read"

log = logs.get(__name__)


class Watched:
    """A user somebody here watches. `online` is what those who watch believe, None before Redis was asked; `heard`
    counts what Redis said of itself, so that an answer that is older than it is not believed."""

    __slots__ = ("heard", "online", "peers")

    def __init__(self) -> None:
        self.online: bool | None = None
        self.heard = 0
        self.peers: dict[int, Peer] = {}


class Watching:
    """Who watches whom; `most` is how many users one connection may watch."""

    def __init__(self, node: str, presence: Presence, clock: Clock, *, most: int) -> None:
        self._node = node
        self._presence = presence
        self._clock = clock
        self._most = most
        self._watched: dict[Name, Watched] = {}
        self._of: dict[int, set[Name]] = {}
        self._shares: Counter[Name] = Counter()
        self._asks: deque[tuple[Peer, Watch, Waiting]] = deque()
        self._dropped: set[Name] = set()
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to ask, and to say again."""
        return [
            forever(self._round, part="watching", wake=self._wake),
            forever(self._round_again, part="watches"),
        ]

    def watch(self, peer: Peer, watch: Watch, asked: Waiting) -> None:
        """A connection watches more users; `asked` waits for who of them is online. Never blocks."""
        wanted = {(peer.app, user) for user in watch.users}
        mine = self._of.get(peer.number, set())
        if RIGHT not in peer.scopes:
            _refuse(peer, asked, "forbidden", f"Watching needs the scope {RIGHT}.")
        elif len(mine | wanted) > self._most:
            _refuse(peer, asked, "too_many_requests", f"A connection watches at most {self._most} users.")
        elif self._shares[peer.app, peer.user] + len(wanted - mine) > SHARE:
            _refuse(peer, asked, "too_many_requests", f"A user watches at most {SHARE} users on a node.")
        elif len(self._watched) + len(wanted) > WATCHED_MAX:
            _refuse(peer, asked, "unavailable", "This node watches as many users as it can.", retry=True)
        else:
            self._shares[peer.app, peer.user] += len(wanted - mine)
            self._of[peer.number] = mine | wanted
            for name in wanted:
                self._watched.setdefault(name, Watched()).peers[peer.number] = peer
            self._asks.append((peer, watch, asked))
            self._wake.set()

    def unwatch(self, peer: Peer, unwatch: Unwatch, asked: Waiting) -> None:
        """It does not watch these any more; all of them if none is named. Never blocks."""
        mine = self._of.get(peer.number, set())
        gone = mine & {(peer.app, user) for user in unwatch.users} if unwatch.users else set(mine)
        self._forget(peer, gone)
        peer.reply(asked.ref, reply(asked.ref, {"watching": len(mine) - len(gone)}), of=asked)

    def left(self, peer: Peer) -> None:
        """A connection is over."""
        if mine := self._of.get(peer.number):
            self._forget(peer, set(mine))

    def told(self, found: Told) -> None:
        """Redis says that a user came or left."""
        watched = self._watched.get((found.app, found.user))
        if watched is not None:
            watched.heard += 1
            self._believe(watched, found)

    def _forget(self, peer: Peer, names: set[Name]) -> None:
        left = self._of.pop(peer.number, set()) - names
        if left:
            self._of[peer.number] = left
        self._shares[peer.app, peer.user] -= len(names)
        if not self._shares[peer.app, peer.user]:
            del self._shares[peer.app, peer.user]
        for name in names:
            peers = self._watched[name].peers
            peers.pop(peer.number, None)
            if not peers:
                del self._watched[name]
                self._dropped.add(name)
        if names:
            self._wake.set()

    def _round(self) -> None:
        self._wake.wait()
        self._wake.clear()
        while self._asks:
            self._answer([self._asks.popleft() for _ in range(min(ASKS, len(self._asks)))])
        self._drop()

    def _round_again(self) -> None:
        gevent.sleep(REFRESH)
        names = list(self._watched)
        try:
            for start in range(0, len(names), BATCH):
                self._ask([name for name in names[start : start + BATCH] if name in self._watched])
        except RedisUnavailable as error:
            log.warning("watches_not_renewed", error=error.message)

    def _answer(self, asks: Sequence[tuple[Peer, Watch, Waiting]]) -> None:
        """Ask Redis once for all of these, then answer each."""
        asks = [(peer, watch, asked) for peer, watch, asked in asks if peer.open]
        names = list(dict.fromkeys((peer.app, user) for peer, watch, _ in asks for user in watch.users))
        try:
            online = self._ask(names)
        except RedisUnavailable:
            for peer, _, asked in asks:
                _refuse(peer, asked, "unavailable", "Redis does not answer.", retry=True)
            return
        except Exception:
            for peer, _, asked in asks:
                _refuse(peer, asked, "unavailable", "This could not be looked up.", retry=True)
            raise
        for peer, watch, asked in asks:
            users = [{"user": user, "online": online[peer.app, user]} for user in dict.fromkeys(watch.users)]
            safely(peer, partial(peer.reply, asked.ref, reply(asked.ref, {"users": users}), of=asked))

    def _ask(self, names: Sequence[Name]) -> dict[Name, bool]:
        """Say that this node watches these, and who of them is online. Raises RedisUnavailable."""
        before = {name: watched.heard for name in names if (watched := self._watched.get(name))}
        found = dict(zip(names, self._presence.watch(self._node, names) if names else (), strict=True))
        now = self._clock.now_ms()
        for name, online in found.items():
            watched = self._watched.get(name)
            if watched is None:
                self._dropped.add(name)  # nobody watches it any more, but Redis has just been told so
            elif watched.heard == before.get(name):
                self._believe(watched, Told(*name, online, now))
            else:
                found[name] = online if watched.online is None else watched.online
        return found

    def _believe(self, watched: Watched, found: Told) -> None:
        """Tell those who watch, unless that is what they believe."""
        before, watched.online = watched.online, found.online
        if before is None or before is found.online:
            return
        frame = signal(found)

        def tell(peer: Peer) -> None:
            peer.tell(frame.of(peer.dialect))

        for count, peer in enumerate(list(watched.peers.values()), 1):
            if peer.open:
                safely(peer, partial(tell, peer))
            if count % YIELD_EVERY == 0:
                gevent.sleep(0)

    def _drop(self) -> None:
        names, self._dropped = [name for name in self._dropped if name not in self._watched], set()
        try:
            for start in range(0, len(names), BATCH):
                self._presence.unwatch(self._node, names[start : start + BATCH])
        except RedisUnavailable as error:
            # It ends by itself within the life of a watch.
            log.warning("watches_not_ended", users=len(names), error=error.message)


def _refuse(peer: Peer, asked: Waiting, code: str, message: str, *, retry: bool = False) -> None:
    refused = Refused(code, message, asked.ref)
    doc = error(refused, retryable=retry, retry_after=RETRY_AFTER if retry else None)
    safely(peer, partial(peer.reply, asked.ref, doc, of=asked))
