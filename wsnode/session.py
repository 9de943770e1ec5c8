"""The session machine of one connection: frames and envelopes in, events out (wsnode.events). Pure.

It follows two streams and keeps one promise: what it lets through is in order and without a hole. While there is no
`repair` the hot path (wsnode.unicasts, wsnode.broadcasts) moves `me` and `all` itself, by the rule of `_take` here.

    connect ─▶ OPENING ─▶ ready ─▶ GAP ─250 ms▶ TAIL ─▶ ready
                  │ ▲                              │
         SYNCING ◀┘ └─ REPLAY ◀────────────────────┘      twice in vain: caught_up false, or close 4010
"""

from collections.abc import Iterable
from typing import Final

from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import ReplayPart, TailFrame
from shared.redis.streams import Connected, Since, Tails
from wsnode import events as say
from wsnode.repair import ATTEMPTS, Phase, Repair, covers, is_ahead, is_foreign, reaches

Events = list[say.Event]
NEW_EPOCH: Final = "the stream has begun a new epoch"
_ENDED: Final = Repair(Phase.ENDED)


class Session:
    """Positions of one connection, and what it takes to get them right."""

    __slots__ = ("_hold", "_untold", "all", "all_acked", "epoch", "me", "me_acked", "repair", "user")

    def __init__(self, user: str, since: Since, *, hold_bytes: int) -> None:
        self.user = user
        self._hold = hold_bytes
        self._untold = False
        self.epoch = ""
        self.me: int | None = None
        """The last seq sent on the user's own stream; None until it is known."""
        self.all: int | None = None
        self.me_acked = 0
        self.all_acked = 0
        self.repair: Repair | None = Repair(Phase.OPENING, since)

    @property
    def since(self) -> Since:
        """Where this connection stands: as the client said it, then as it followed."""
        repair = self.repair
        return repair.since if repair is not None and repair.since else Since(self.epoch, self.me, self.all)

    def opened(self, found: Connected, now: int) -> Events:
        """The registration (or, after `synced`, the record read again) found this; `now` is epoch milliseconds."""
        repair = self.repair
        if repair is None or repair.since is None:
            return self._known(found)
        if repair.announced and found.epoch != self.epoch:
            return self._fail(NEW_EPOCH)
        ahead = is_ahead(repair.since, found)
        if not found.synced or (ahead and repair.phase is Phase.OPENING):
            return self._sync(found, repair)
        return self._start(found, repair, now, lost=ahead or is_foreign(repair.since, found))

    def frame(self, stream: str, frame: TailFrame, now: int) -> Events:
        """A live frame that the hot path did not take."""
        repair = self.repair
        if repair is not None and repair.phase is Phase.ENDED:
            return []
        events: Events = []
        if self._take(stream, frame, now, events, free=False):
            if repair is not None and repair.phase is Phase.GAP:
                self._settle(repair, now, events, source="live")
            return events
        if repair is None:
            self.repair = repair = Repair(Phase.GAP)
            events.append(say.WaitGap(repair.step))
        repair.hold(stream, frame, self._hold)
        return events

    def tails(self, step: int, found: Tails, now: int) -> Events:
        """The tails after the positions of ReadTail `step`."""
        repair = self._waiting(step)
        if repair is None:
            return []
        if found.epoch is not None and found.epoch != self.epoch:
            return self._fail(NEW_EPOCH)
        repair.reach(found.me_top, found.all_top)
        events: Events = []
        self._take_all("me", found.me_tail, now, events)
        self._take_all("all", found.all_tail, now, events)
        if not self._settle(repair, now, events, source="tail"):
            self._ask(repair, now, events)
        return events

    def replayed(self, part: ReplayPart, now: int) -> Events:
        """A part of what the database had; of an earlier attempt it is ignored."""
        repair = self.repair
        if repair is None or repair.phase is not Phase.REPLAY or repair.attempts != part.attempt:
            return []
        if part.epoch not in (None, self.epoch):
            return self._fail(NEW_EPOCH)
        events: Events = []
        whole = self._take_all("me", part.me_frames, now, events, begin=part.me_since)
        whole = self._take_all("all", part.all_frames, now, events, begin=part.all_since) and whole
        if part.last and not part.recovered:
            self._give_up(repair, now, events, part)
        elif not whole or (part.last and not reaches(part, self.me, self.all)):
            self._ask(repair, now, events)  # a part was lost on its way
        elif part.last:
            self.me, self.all = max(self.me or 0, part.me), max(self.all or 0, part.all)
            self._announce(repair, events, recovered=True)
            if not self._settle(repair, now, events, source="replay"):
                events.append(self._read_tail(repair))
        return events

    def overdue(self, step: int, now: int) -> Events:
        """What `step` waited for has had its time."""
        repair = self._waiting(step)
        if repair is None:
            return []
        events: Events = []
        if repair.phase is Phase.GAP:
            events.append(self._read_tail(repair))
        elif repair.phase in (Phase.TAIL, Phase.REPLAY):
            self._ask(repair, now, events)
        elif repair.phase is Phase.SYNCING and repair.attempts < ATTEMPTS:
            repair.attempts += 1
            events.append(say.AskSync(repair.enter(Phase.SYNCING)))
        elif repair.phase in (Phase.OPENING, Phase.SYNCING):
            return self._fail("the position is not known in time")
        return events

    def check(self, epoch: str | None, me_top: int | None, all_top: int | None) -> Events:
        """Compare with what Redis has (None: it does not know). A frame may still be coming: wait as for a gap."""
        repair = self.repair
        if repair is not None and repair.phase in (Phase.OPENING, Phase.SYNCING, Phase.ENDED):
            return []
        if epoch is not None and epoch != self.epoch:
            return self._fail(NEW_EPOCH)
        events: Events = [say.AskSync(None)] if me_top is None else []
        if repair is None and (me_top or 0) <= (self.me or 0) and (all_top or 0) <= (self.all or 0):
            return events
        if repair is None:
            self.repair = repair = Repair(Phase.GAP)
            events.append(say.WaitGap(repair.step))
        repair.reach(me_top, all_top)
        return events

    def ack(self, me: int, everyone: int) -> say.Acked | None:
        """The client confirms; never more than was sent on this connection. None: nothing new."""
        me, everyone = min(me, self.me or 0), min(everyone, self.all or 0)
        if me <= self.me_acked and everyone <= self.all_acked:
            return None
        acked = say.Acked(me if me > self.me_acked else 0, everyone if everyone > self.all_acked else 0)
        self.me_acked, self.all_acked = max(self.me_acked, me), max(self.all_acked, everyone)
        return acked

    def end(self) -> None:
        """The connection is closing: nothing more goes through."""
        self.repair = _ENDED

    def _known(self, found: Connected) -> Events:
        """The record was read for a session that already follows: counts that Welcome lacked, and a check."""
        if not found.synced:
            return []
        events: Events = []
        if self._untold and found.counts is not None:
            self._untold = False
            events.append(say.Told(found.counts, found.rev))
        return events + self.check(found.epoch, found.me_top, found.all_top)

    def _sync(self, found: Connected, repair: Repair) -> Events:
        """Redis knows too little of this user: greet with what is known, and ask."""
        if repair.phase is Phase.SYNCING:
            return []  # answered, and still not known: the deadline asks again
        events: Events = []
        if found.epoch is not None:
            self.epoch = found.epoch
            repair.announced = self._untold = True
            events += [say.Welcome(found.epoch, None, None, None, None, None), *repair.said()]
        repair.attempts = 1
        events.append(say.AskSync(repair.enter(Phase.SYNCING)))
        return events

    def _start(self, found: Connected, repair: Repair, now: int, *, lost: bool) -> Events:
        since = repair.since or Since()
        stands = since.epoch == found.epoch and not lost
        repair.since, repair.attempts = None, 0
        self.epoch = found.epoch or ""
        self.me_acked, self.all_acked = found.acked, found.all_acked
        repair.reach(found.me_top, found.all_top)
        self.me = found.me_top if lost else since.me if stands and since.me is not None else found.acked
        self.all = (
            found.all_top if lost else since.all if stands and since.all is not None else found.all_acked
        )
        reaches = covers(self.all, found.all_tail, found.all_top)
        whole = reaches and covers(self.me, found.me_tail, found.me_top)
        if not reaches and not (stands and since.all is not None):
            self.all = None  # the database decides where the newest hundred begin
        events: Events = []
        self._greet(found, repair, events, recovered=False if lost else True if whole else None)
        resumed = stands and (since.me is not None or since.all is not None)
        if self._untold and found.counts is None and not (resumed and whole):
            events.append(say.AskSync(None))  # a resume within the tail asks nothing of the database
        if stands and (acked := self.ack(since.me or 0, since.all or 0)) is not None:
            events.append(acked)
        self._take_all("me", found.me_tail, now, events)
        self._take_all("all", found.all_tail if self.all is not None else [], now, events)
        if whole or lost:
            self._announce(repair, events, recovered=not lost)
            if not self._settle(repair, now, events, source=None):
                events.append(say.WaitGap(repair.enter(Phase.GAP)))
        else:
            self._ask(repair, now, events)
        return events

    def _greet(self, found: Connected, repair: Repair, events: Events, *, recovered: bool | None) -> None:
        """Welcome, or what Welcome said was on its way."""
        if repair.announced:
            if found.counts is not None:
                self._untold = False
                events.append(say.Told(found.counts, found.rev))
            return
        self._untold = found.counts is None
        repair.announced = recovered is None
        events.append(say.Welcome(self.epoch, self.me, self.all, recovered, found.counts, found.rev))
        events += repair.said()

    def _take(self, stream: str, frame: TailFrame, now: int, events: Events, *, free: bool) -> bool:
        """The one rule: let a frame through iff prev <= last < seq. False if it is a gap; old ones are dropped."""
        last = self.me if stream == "me" else self.all
        if last is None or frame.prev > last:
            return False
        if frame.seq <= last:
            return True
        setattr(self, stream, frame.seq)
        if frame.fragment and frame.expires_at > now and self.user not in frame.excluded:
            events.append(say.Deliver(stream, frame.seq, frame.prev, frame.fragment, free))
        else:
            say.pass_over(events, say.Position(stream, frame.prev, frame.seq))
        return True

    def _take_all(
        self, stream: str, frames: Iterable[TailFrame], now: int, events: Events, *, begin: int | None = None
    ) -> bool:
        """Let frames of a tail or replay through; a stream whose position is unknown begins where they `begin`."""
        for frame in frames:
            if getattr(self, stream) is None and (begin is None or frame.prev <= begin):
                setattr(self, stream, frame.prev)
            if not self._take(stream, frame, now, events, free=True):
                return False
        return True

    def _settle(self, repair: Repair, now: int, events: Events, *, source: str | None) -> bool:
        """Let held frames through; True if nothing is missing any more, and the repair ends."""
        for stream in ("me", "all"):
            for frame in repair.release(stream):
                if not self._take(stream, frame, now, events, free=True):
                    repair.hold(stream, frame, self._hold)
        if self.me is None or self.all is None or self.me < repair.me_target or self.all < repair.all_target:
            return False
        self.repair = None
        if source is not None:
            events.append(say.Repaired(source))
        events += repair.retracts()
        return True

    def _waiting(self, step: int) -> Repair | None:
        """The repair, if it still waits at this step."""
        return self.repair if self.repair is not None and self.repair.step == step else None

    def _read_tail(self, repair: Repair) -> say.Event:
        me = self.me if (self.me or 0) < repair.me_target else None
        everyone = self.all if (self.all or 0) < repair.all_target else None
        return say.ReadTail(repair.enter(Phase.TAIL), me, everyone)

    def _ask(self, repair: Repair, now: int, events: Events) -> None:
        """Ask the database, or give up after the second time."""
        if repair.attempts >= ATTEMPTS:
            self._give_up(repair, now, events, None)
            return
        repair.attempts += 1
        events.append(say.AskReplay(repair.enter(Phase.REPLAY), repair.attempts, self.me, self.all))

    def _give_up(self, repair: Repair, now: int, events: Events, part: ReplayPart | None) -> None:
        """It cannot be made whole: say so where the client waits for it, else close so that it comes back."""
        if not repair.announced:
            events += self._fail("frames are missing and cannot be read again")
            return
        self.me = max(self.me or 0, repair.me_target, part.me if part else 0)
        self.all = max(self.all or 0, repair.all_target, part.all if part else 0)
        self._announce(repair, events, recovered=False)
        self._settle(repair, now, events, source=None)

    def _announce(self, repair: Repair, events: Events, *, recovered: bool) -> None:
        if repair.announced:
            repair.announced = False
            events.append(say.CaughtUp(self.me or 0, self.all or 0, recovered))

    def _fail(self, reason: str) -> Events:
        self.end()
        return [say.Fail(CloseCode.POSITION_LOST, reason)]
