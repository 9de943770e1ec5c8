"""What sessions need to get back into step: a moment's patience, the tails, a `replay` or `sync` job.

Rule S. One queue for each kind, no timer per connection. The tail of everyone is read once for all who miss the same:
after a lost broadcast that is every connection of the app.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

import gevent
from gevent.event import Event

from shared import logs
from shared.protocol.jobs import Replay
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Streams, Tails
from wsnode import events as say
from wsnode.deadlines import Deadlines
from wsnode.jobs import Jobs
from wsnode.loops import forever, safely
from wsnode.ports import Peer
from wsnode.syncs import Syncs

BACK_OFF: Final = 0.5
YIELD_EVERY: Final = 50
_NOTHING: Final = 1 << 53
"""A position after everything: reads nothing of that tail."""

_Wish = tuple[Peer, say.ReadTail]

log = logs.get(__name__)


class Repairs:
    """Serves the wishes of sessions; `hold_gap` and `deadline` are in seconds."""

    def __init__(self, node: str, streams: Streams, jobs: Jobs, *, hold_gap: float, deadline: float) -> None:
        self._node = node
        self._streams = streams
        self._jobs = jobs
        self._gaps: Deadlines[tuple[Peer, int]] = Deadlines(hold_gap)
        self._answers: Deadlines[tuple[Peer, int]] = Deadlines(deadline)
        self._syncs = Syncs(node, jobs)
        self._wishes: list[_Wish] = []
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to read tails and to ask for records."""
        return [forever(self._round, part="repairs", wake=self._wake), *self._syncs.start()]

    def opening(self, peer: Peer, step: int, now: float) -> None:
        """A registration must be answered in time."""
        self._answers.add((peer, step), now)

    def ask(
        self, peer: Peer, wish: say.AskSync | say.AskReplay | say.WaitGap | say.ReadTail, now: float
    ) -> None:
        """Take a wish; `now` is monotonic. Never blocks."""
        match wish:
            case say.WaitGap(step):
                self._gaps.add((peer, step), now)
            case say.ReadTail():
                self._wishes.append((peer, wish))
                self._wake.set()
            case say.AskReplay(step, attempt, me, everyone):
                self._answers.add((peer, step), now)
                job = Replay(
                    app=peer.app,
                    user=peer.user,
                    node=self._node,
                    connection=peer.name,
                    attempt=attempt,
                    me=me,
                    all=everyone,
                )
                self._jobs.put(job, lambda: None)  # the deadline asks again
            case say.AskSync(step):
                if step is not None:
                    self._answers.add((peer, step), now)
                self._syncs.ask(peer.app, peer.user, now, waits=step is not None)

    def synced(self, app: str, users: Iterable[str]) -> None:
        """A `sync` job has answered."""
        self._syncs.answered(app, users)

    def sweep(self, now: float) -> None:
        """Tell sessions whose time is over."""
        for waiting in (self._gaps, self._answers):
            for peer, step in waiting.take(now):
                safely(peer, partial(peer.overdue, step))
        self._syncs.sweep(now)

    def _round(self) -> None:
        self._wake.wait()
        self._wake.clear()
        wishes, self._wishes = self._wishes, []
        try:
            while wishes:
                self._read(wishes)
        except RedisUnavailable as error:
            log.warning("tails_wait", waiting=len(wishes), error=error.message)
            gevent.sleep(BACK_OFF)
            self._wishes = wishes + self._wishes
            self._wake.set()
        except Exception:
            # A tail that we cannot read: those who wait for it ask the database instead.
            log.exception("tails_failed")
            for peer, wish in wishes:
                safely(peer, partial(peer.overdue, wish.step))

    def _read(self, wishes: list[_Wish]) -> None:
        """Read for all of one app; takes out of `wishes` what is done."""
        app = wishes[0][0].app
        group = [(peer, wish) for peer, wish in wishes if peer.app == app and peer.open]
        wanted = [wish.all for _, wish in group if wish.all is not None]
        everyones = None
        if wanted:
            everyones = self._streams.tails(app, group[0][0].user, me=_NOTHING, all=min(wanted))
        for count, (peer, wish) in enumerate(group, 1):
            found = everyones
            if wish.me is not None or found is None:
                found = self._streams.tails(app, peer.user, me=wish.me or 0, all=_NOTHING)
            if peer.open:
                safely(peer, partial(peer.tails, wish.step, _for_one(found, wish, everyones)))
            if count % YIELD_EVERY == 0:
                gevent.sleep(0)
        wishes[:] = [(peer, wish) for peer, wish in wishes if peer.app != app]


def _for_one(found: Tails, wish: say.ReadTail, everyones: Tails | None) -> Tails:
    """What one session asked for: its own tail, and of everyone's what is after its position."""
    mine = wish.me is not None
    frames = everyones.all_tail if everyones is not None and wish.all is not None else []
    return Tails(
        epoch=found.epoch,
        me_top=found.me_top if mine else None,
        all_top=everyones.all_top if everyones is not None else None,
        me_tail=found.me_tail if mine else [],
        all_tail=[frame for frame in frames if frame.seq > (wish.all or 0)],
    )
