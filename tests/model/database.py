"""The database of the model: streams as lists, where a row's place is its seq.

It answers as shared.store does (groups, reading_back, replay, receipts, streams, epochs).
"""

import copy
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from shared.ids import uuid7
from shared.protocol.envelope import AppFrames, Body, Broadcast, Counts, Item, Record, TailFrame
from shared.protocol.frames import fragment
from shared.store.replay import Replay
from tests.model.clock import ModelClock

APP = "main"
NEWEST = 4
"""How many of everyone's a client gets that does not say where it stands; 100 in the product."""


@dataclass(frozen=True)
class Wish:
    """What a sender asks for. No `users`: it is for everyone, less `exclude`."""

    users: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ttl: float = 1_000_000
    size: int = 0

    @property
    def everyone(self) -> bool:
        return not self.users


@dataclass(frozen=True)
class Row:
    """A notification at its place in a stream."""

    id: str
    seq: int
    expires_at: int
    text: str
    exclude: tuple[str, ...] = ()

    def frame(self) -> TailFrame:
        return TailFrame(self.seq, self.seq - 1, self.expires_at, self.text.encode())


@dataclass
class Stream:
    """What belongs to one user."""

    rows: list[Row] = field(default_factory=list)
    acked: int = 0
    all_acked: int = 0
    rev: int = 0


class Database:
    """The truth. One app."""

    def __init__(self, clock: ModelClock) -> None:
        self._clock = clock
        self._numbers = 0
        self._epochs = 0
        self.epoch = self._next_epoch()
        self.all: list[Row] = []
        self.users: dict[str, Stream] = defaultdict(Stream)

    def copy(self) -> "Database":
        """What a backup holds; the clock and the numbers go on."""
        other = copy.copy(self)
        other.all, other.users = list(self.all), copy.deepcopy(self.users)
        return other

    def restore(self, backup: "Database") -> None:
        """Go back to a backup, as operators do it: what came after it is gone, and the epoch ends."""
        self.all, self.users = list(backup.all), copy.deepcopy(backup.users)
        self.bump_epoch()

    def bump_epoch(self) -> None:
        self.epoch = self._next_epoch()

    def store(self, wishes: Sequence[Wish]) -> list[str]:
        """One transaction; the ids of what it stored."""
        ids = []
        changed: set[str] = set()
        for wish in wishes:
            self._numbers += 1
            now = self._clock.now_ms()
            id = uuid7(now, self._numbers.to_bytes(10, "big"))
            ids.append(id)
            expires = now + round(wish.ttl * 1000)
            text = fragment(
                id=id,
                event="model",
                data_json=f'"{"x" * wish.size}"',
                sent_at_ms=now,
                expires_at_ms=expires,
            )
            if wish.everyone:
                self.all.append(Row(id, len(self.all) + 1, expires, text, wish.exclude))
            for user in wish.users:
                rows = self.users[user].rows
                rows.append(Row(id, len(rows) + 1, expires, text))
                changed.add(user)
        for user in changed:
            self.users[user].rev += 1
        return ids

    def frames(self, ids: Collection[str]) -> AppFrames:
        """What is to be published of these, as the database has it now; the same bytes each time."""
        bodies: dict[str, Body] = {}
        items: list[tuple[str, Row]] = []
        for user, stream in self.users.items():
            for row in stream.rows:
                if row.id in ids:
                    bodies[row.id] = _body(row)
                    items.append((user, row))
        broadcasts = [
            Broadcast(row.seq, row.seq - 1, _body(row), row.exclude) for row in self.all if row.id in ids
        ]
        order = {id: number for number, id in enumerate(sorted(bodies))}
        return AppFrames(
            app=APP,
            epoch=self.epoch,
            bodies=[bodies[id] for id in order],
            items=[Item(user, row.seq, row.seq - 1, order[row.id]) for user, row in items],
            records={user: self._own(user) for user, _ in items},
            broadcasts=broadcasts,
        )

    def record(self, user: str) -> Record:
        """What a `sync` job puts into Redis; the user exists afterwards."""
        visible = sum(1 for row in self.all if self.sees(user, row))
        everyone = Counts(visible, visible, visible, 0)
        return replace(self._own(user), everyone=everyone, everyone_at=len(self.all))

    def read_frames(self, user: str, me: int | None, everyone: int | None, *, limit: int = 1000) -> Replay:
        """What a `replay` job finds."""
        stream = self.users[user]
        tops = len(stream.rows), len(self.all)
        lost = Replay([], [], *tops, complete=False, epoch=self.epoch)
        if (me or 0) > tops[0] or (everyone or 0) > tops[1]:
            return lost
        start = stream.acked if me is None else me
        mine = [row for row in stream.rows[start:] if row.expires_at > self._clock.now_ms()]
        all_start = stream.all_acked if everyone is None else everyone
        others = [row for row in self.all[all_start:] if self.sees(user, row)]
        if everyone is None and len(others) >= NEWEST:
            others = others[-NEWEST:]
            all_start = others[0].seq - 1
        if len(mine) + len(others) > limit:
            return lost
        return Replay(
            _chain(start, mine, tops[0]),
            _chain(all_start, others, tops[1]),
            *tops,
            complete=True,
            epoch=self.epoch,
            me_since=start,
            all_since=all_start,
        )

    def apply_acks(self, user: str, me: int, everyone: int) -> None:
        """As a `receipts` job: raised, never lowered, never beyond what there is."""
        stream = self.users[user]
        before = stream.acked
        stream.acked = max(before, min(me, len(stream.rows)))
        stream.all_acked = max(stream.all_acked, min(everyone, len(self.all)))
        stream.rev += stream.acked > before

    def sees(self, user: str, row: Row) -> bool:
        """Whether this notification to everyone is alive and for this user."""
        return row.expires_at > self._clock.now_ms() and user not in row.exclude

    def rows(self, stream: str, user: str) -> list[Row]:
        """One stream as this user follows it."""
        return self.users[user].rows if stream == "me" else self.all

    def _own(self, user: str) -> Record:
        stream = self.users[user]
        top = len(stream.rows)
        return Record(user, top, stream.rev, stream.acked, stream.all_acked, Counts(top, top, top, 0))

    def _next_epoch(self) -> str:
        self._epochs += 1
        return f"e{self._epochs}"


def _body(row: Row) -> Body:
    return Body(row.id, "r-1", row.text, row.expires_at)


def _chain(start: int, rows: Sequence[Row], top: int) -> list[TailFrame]:
    """Frames and positions from `start` to `top` without a hole."""
    frames: list[TailFrame] = []
    last = start
    for row in rows:
        if row.seq - last > 1:
            frames.append(TailFrame(row.seq - 1, last, 0, b""))
        frames.append(row.frame())
        last = row.seq
    if last < top:
        frames.append(TailFrame(top, last, 0, b""))
    return frames
