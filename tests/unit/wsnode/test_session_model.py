"""The promise of the session, tried against everything that may go wrong between a worker and a client.

A model of the world: a database, a short tail in Redis, frames that come late, out of order or never, jobs that are
answered or not, connections that break. Whatever happens, a client never sees a hole or an older frame, and once the
world is quiet it has seen everything, unless it was told that it has not.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.protocol.envelope import Counts, ReplayPart, TailFrame
from shared.redis.streams import Connected, Since, Tails
from wsnode import events as say
from wsnode.session import Session

NOW = 1_000
TAIL = 3
STREAMS = ("me", "all")


class Client:
    """Follows the rule of DESIGN section 6 and remembers what it was shown."""

    def __init__(self) -> None:
        self.last: dict[str, int | None] = {"me": None, "all": None}
        self.shown: dict[str, list[int]] = {"me": [], "all": []}
        self.excused: dict[str, int] = {"me": 0, "all": 0}
        """Up to here it was told to reload."""

    def take(self, event: Any) -> None:
        match event:
            case say.Welcome() | say.CaughtUp():
                for stream, at in (("me", event.me), ("all", event.all)):
                    if at is not None and (self.last[stream] is None or event.recovered is False):
                        self.last[stream] = at
                        if event.recovered is False:
                            self.excused[stream] = max(self.excused[stream], at)
            case say.Deliver(stream, seq, prev, _, _) | say.Position(stream, prev, seq):
                last = self.last[stream]
                if last is None:
                    last = prev
                assert prev <= last, f"a hole was sent: {event} after {last}"
                if seq > last:
                    self.last[stream] = seq
                    if isinstance(event, say.Deliver):
                        self.shown[stream].append(seq)


class World(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.rows: dict[str, list[TailFrame]] = {"me": [], "all": []}
        self.gone: set[tuple[str, int]] = set()
        self.published: dict[str, set[int]] = {"me": set(), "all": set()}
        self.read_back = {"me": 0, "all": 0}
        """What a sync job wrote into Redis as the top."""
        self.flying: list[tuple[str, TailFrame]] = []
        self.todo: list[Any] = []
        self.client = Client()
        self.session: Session | None = None

    def top(self, stream: str) -> int:
        return max(self.read_back[stream], max(self.published[stream], default=0))

    def tail(self, stream: str, after: int) -> list[TailFrame]:
        newest = sorted(self.published[stream])[-TAIL:]
        return [self.rows[stream][seq - 1] for seq in newest if seq > after]

    def perform(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, say.Fail):
                self.session = None
                return
            if isinstance(event, say.WaitGap | say.ReadTail | say.AskReplay | say.AskSync):
                self.todo.append(event)
            else:
                self.client.take(event)

    @rule(stream=st.sampled_from(STREAMS), gone=st.booleans())
    def commit(self, stream: str, gone: bool) -> None:
        seq = len(self.rows[stream]) + 1
        self.rows[stream].append(TailFrame(seq, seq - 1, 0 if gone else 9_999, b"x" * 10))
        if gone:
            self.gone.add((stream, seq))

    @rule(
        stream=st.sampled_from(STREAMS), pick=st.integers(0, 3), way=st.sampled_from(["now", "late", "lost"])
    )
    def publish(self, stream: str, pick: int, way: str) -> None:
        waiting = [row for row in self.rows[stream] if row.seq not in self.published[stream]]
        if not waiting:
            return
        row = waiting[min(pick, len(waiting) - 1)]
        self.published[stream].add(row.seq)
        if way == "late":
            self.flying.append((stream, row))
        elif way == "now" and self.session is not None:
            self.perform(self.session.frame(stream, row, NOW))

    @precondition(lambda self: self.flying and self.session)
    @rule(pick=st.integers(0, 9))
    def land(self, pick: int) -> None:
        assert self.session is not None
        stream, row = self.flying.pop(pick % len(self.flying))
        self.perform(self.session.frame(stream, row, NOW))

    @precondition(lambda self: self.session is None)
    @rule(hold=st.sampled_from([0, 500, 100_000]), keeps=st.booleans())
    def connect(self, hold: int, keeps: bool) -> None:
        if not keeps:
            self.client = Client()
        at = self.client.last
        since = Since("e", at["me"], at["all"]) if any(v is not None for v in at.values()) else Since()
        self.session = Session("ana", since, hold_bytes=hold)
        self.todo, self.flying = [], []
        self.perform(self.session.opened(self.found(since), NOW))

    def found(self, since: Since) -> Connected:
        me, everyone = self.top("me"), self.top("all")
        tails = (self.tail("me", since.me or 0), self.tail("all", since.all or 0))
        return Connected(True, "e", me, everyone, 1, 0, 0, Counts(), *tails)

    @precondition(lambda self: self.session is not None)
    @rule()
    def cut(self) -> None:
        self.session = None

    @precondition(lambda self: self.todo and self.session)
    @rule(pick=st.integers(0, 9), way=st.sampled_from(["answer", "answer", "overdue", "lost_history"]))
    def serve(self, pick: int, way: str) -> None:
        self.work(self.todo.pop(pick % len(self.todo)), way)

    def work(self, wish: Any, way: str) -> None:
        assert self.session is not None
        match wish:
            case say.ReadTail(step, me, everyone):
                mine = self.tail("me", me) if me is not None else []
                others = self.tail("all", everyone) if everyone is not None else []
                found = Tails("e", self.top("me"), self.top("all"), mine, others)
                self.perform(self.session.tails(step, found, NOW))
            case say.AskReplay(step, attempt, me, everyone) if way != "overdue":
                self.todo.append(say.WaitGap(step))
                self.replay(attempt, me or 0, everyone or 0, recovered=way == "answer")
            case say.AskSync(step):
                self.read_back = {stream: len(self.rows[stream]) for stream in STREAMS}
                self.perform(self.session.opened(self.found(self.session.since), NOW))
                if step is not None:
                    self.todo.append(say.WaitGap(step))
            case say.WaitGap(step) | say.AskReplay(step, _, _, _):
                self.perform(self.session.overdue(step, NOW))

    def replay(self, attempt: int, me: int, everyone: int, *, recovered: bool) -> None:
        """The database has every committed row; published or not."""
        assert self.session is not None
        mine = [self.stored("me", row) for row in self.rows["me"][me:]]
        others = [self.stored("all", row) for row in self.rows["all"][everyone:]]
        tops = len(self.rows["me"]), len(self.rows["all"])
        half = len(mine) // 2
        first = ReplayPart("c", attempt, False, *tops, recovered, mine[:half] if recovered else [], [])
        self.perform(self.session.replayed(first, NOW))
        if self.session is not None:
            rest = (mine[half:], others) if recovered else ([], [])
            self.perform(self.session.replayed(ReplayPart("c", attempt, True, *tops, recovered, *rest), NOW))

    def stored(self, stream: str, row: TailFrame) -> TailFrame:
        return TailFrame(row.seq, row.prev, 0, b"") if (stream, row.seq) in self.gone else row

    @precondition(lambda self: self.session is not None)
    @rule()
    def check(self) -> None:
        assert self.session is not None
        self.perform(self.session.check("e", self.top("me"), self.top("all")))

    @precondition(lambda self: self.session is not None)
    @rule(me=st.integers(0, 50), everyone=st.integers(0, 50))
    def ack(self, me: int, everyone: int) -> None:
        assert self.session is not None
        acked = self.session.ack(me, everyone)
        if acked is not None:
            assert acked.me <= (self.session.me or 0)
            assert acked.all <= (self.session.all or 0)

    @invariant()
    def nothing_is_shown_twice_or_out_of_order(self) -> None:
        for seqs in self.client.shown.values():
            assert seqs == sorted(set(seqs))

    def teardown(self) -> None:
        """The world becomes quiet: everything is published, a check runs, every wish is served."""
        for stream in STREAMS:
            self.published[stream] = {row.seq for row in self.rows[stream]}
        for _ in range(5):
            if self.session is None:
                self.connect(100_000, keeps=True)
            elif not self.todo:
                self.check()
            while self.todo and self.session is not None:
                self.work(self.todo.pop(0), "answer")
        assert self.session is not None
        assert self.session.repair is None
        for stream in STREAMS:
            seen, top = set(self.client.shown[stream]), len(self.rows[stream])
            due = {row.seq for row in self.rows[stream] if (stream, row.seq) not in self.gone}
            assert self.client.last[stream] == top
            assert not {seq for seq in due - seen if seq > self.client.excused[stream]}


World.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestSessionKeepsItsPromise = World.TestCase
