"""What a device was shown, held against what was sent: nothing twice, in order, the right thing, no silent hole.

The ledger knows the streams of every epoch as the database had them and where the device stands; it reads nothing of
the node's or the client's own bookkeeping besides the position.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bellhop_client.actions import STREAMS, Frame, Position

from shared.redis.streams import Since
from tests.model.clock import ModelClock
from tests.model.database import NEWEST, Database, Row


class History:
    """The streams of each epoch, and how far each user's devices have confirmed them."""

    def __init__(self, database: Database, clock: ModelClock) -> None:
        self._database = database
        self._clock = clock
        self._ended: dict[str, Database] = {}
        self._next: dict[str, str] = {}
        self._confirmed: dict[tuple[str, str, str], int] = defaultdict(int)

    def new_epoch(self, begin: Callable[[], None]) -> None:
        """`begin` gives the database another epoch: what was, stays as it was, and what was confirmed before is
        confirmed now, as far as the streams are the same."""
        before = self._database.epoch
        self._ended[before] = self._database.copy()
        begin()
        self._next[before] = self._database.epoch
        for (epoch, user, stream), at in list(self._confirmed.items()):
            if epoch == before:
                self.confirm(epoch, user, stream, at)

    def rows(self, epoch: str, stream: str, user: str) -> Sequence[Row]:
        ended = self._ended.get(epoch)
        assert ended is not None or epoch == self._database.epoch, f"nobody ever began the epoch {epoch}"
        return (ended or self._database).rows(stream, user)

    def is_current(self, epoch: str | None) -> bool:
        return epoch == self._database.epoch

    def is_alive(self, row: Row) -> bool:
        return row.expires_at > self._clock.now_ms()

    def confirmed(self, epoch: str, user: str, stream: str) -> int:
        return self._confirmed[epoch, user, stream]

    def confirm(self, epoch: str, user: str, stream: str, at: int | None) -> None:
        """A device says that it has everything up to `at`."""
        key = epoch, user, stream
        self._confirmed[key] = max(self._confirmed[key], at or 0)
        if (after := self._next.get(epoch)) is not None:
            pairs = zip(self.rows(epoch, stream, user), self.rows(after, stream, user), strict=False)
            same = sum(1 for old, new in pairs if old.id == new.id)
            self.confirm(after, user, stream, min(self._confirmed[key], same))

    def check_confirmed(self, user: str, record: Mapping[str, Any]) -> None:
        """Neither the database nor `record`, which Redis has of the user, goes beyond what the devices confirmed."""
        epoch, stored = self._database.epoch, self._database.users[user]
        has = [("the database", stored.acked, stored.all_acked)]
        if record.get("epoch") == epoch:
            has.append(("Redis", record.get("acked", 0), record.get("all_acked", 0)))
        for who, *acked in has:
            for stream, at in zip(STREAMS, acked, strict=True):
                most = self.confirmed(epoch, user, stream)
                assert at <= most, f"{who} has {stream} {at} of {user} confirmed instead of {most}"


class Ledger:
    """One device from its first start until its storage is wiped."""

    def __init__(self, user: str, name: str, history: History) -> None:
        self._user = user
        self._name = name
        self._history = history
        self._position = Position()
        self._ids: set[tuple[str, str]] = set()
        """What was shown in which epoch: who is told that the epoch ended reloads, and sees things again."""
        self._last: dict[tuple[str, str], int] = {}
        self._start: dict[str, int | None] = {"me": None, "all": None}
        self._excused: dict[tuple[str, str], int] = defaultdict(int)
        self._passed: set[str] = set()
        self._said: Since = Since()

    def says(self, since: Since) -> None:
        """The device connects from here."""
        self._said = since
        self._confirm(since.me, since.all)

    def says_frame(self, frame: Frame) -> None:
        if frame["type"] == "ack":
            for stream in STREAMS:
                at, said = self._position.get(stream) or 0, frame.get(stream, 0)
                assert said <= at, f"{self._name} stands at {stream} {at} and confirms {said}"
            self._confirm(frame.get("me"), frame.get("all"))

    def begins(self, frame: Frame) -> None:
        """A first notification tells by its `prev` where the stream begins for this device."""
        stream = frame["stream"]
        if self._start[stream] is None:
            self._begin(stream, frame["prev"])

    def shown(self, frame: Frame) -> None:
        """The user sees it."""
        epoch, stream, seq, id = self._position.epoch, frame["stream"], frame["seq"], frame["id"]
        assert epoch is not None, f"{self._name} was shown {stream} {seq} before it was welcomed"
        assert (epoch, id) not in self._ids, f"{self._name} was shown {stream} {seq} twice"
        last = self._last.get((epoch, stream), 0)
        assert seq > last, f"{self._name} was shown {stream} {seq} after {last}"
        row = self._row(epoch, stream, seq)
        assert row is not None and row.id == id, f"{self._name} was shown something else as {stream} {seq}"
        assert self._user not in row.exclude, f"{self._name} was shown {stream} {seq}, which excludes it"
        self._ids.add((epoch, id))
        self._last[epoch, stream] = seq

    def passed_over(self, frame: Frame) -> None:
        """The handlers refused it for good."""
        self.begins(frame)
        self._passed.add(frame["id"])

    def lost(self, reason: str, position: Position) -> None:
        """The device was told to reload: it has everything up to `position`."""
        assert position.epoch is not None
        if position.epoch != self._position.epoch:
            self._enter(position.epoch)
        for stream in STREAMS:
            at = position.get(stream)
            self._start[stream] = at
            if at is not None:
                key = position.epoch, stream
                self._excused[key] = max(self._excused[key], at)
        self._position = position
        self._check_not_ahead()

    def _enter(self, epoch: str) -> None:
        """Whoever comes to an epoch begins anew, also to one of before: a Redis from before it led away from it."""
        self._ids = {(of, id) for of, id in self._ids if of != epoch}
        self._last = {(of, stream): seq for (of, stream), seq in self._last.items() if of != epoch}

    def at(self, position: Position) -> None:
        """The device stands here now."""
        self._position = position
        for stream in STREAMS:
            at = position.get(stream)
            if at is not None and self._start[stream] is None:
                self._begin(stream, at)
            if at is None:
                self._start[stream] = None
        if position.epoch is not None:
            self._check_not_ahead()
            for stream in STREAMS:
                self._check_no_hole(stream)

    def check_whole(self) -> None:
        """The world is quiet: the device stands at the tops."""
        position = self._position
        assert self._history.is_current(position.epoch), f"{self._name} follows an epoch that has ended"
        for stream in STREAMS:
            assert position.epoch is not None
            top = len(self._history.rows(position.epoch, stream, self._user))
            assert position.get(stream) == top, (
                f"{self._name} stands at {stream} {position.get(stream)}, which goes to {top}"
            )
            self._check_no_hole(stream)

    def _begin(self, stream: str, start: int) -> None:
        """A stream whose position the device did not know begins here: was anything left out before it?"""
        self._start[stream] = start
        epoch = self._position.epoch
        assert epoch is not None
        confirmed = self._history.confirmed(epoch, self._user, stream)
        rows = self._history.rows(epoch, stream, self._user)
        before = [row for row in rows[:start] if self._is_missing(epoch, stream, row) and row.seq > confirmed]
        if before and stream == "all":
            after = [row for row in rows[start:] if self._is_due(row)]
            before = before if len(after) < NEWEST else []
        assert not before, f"{self._name} begins at {stream} {start}, but {_seqs(before)} nobody has seen"

    def _check_no_hole(self, stream: str) -> None:
        position, start = self._position.get(stream), self._start[stream]
        epoch = self._position.epoch
        if epoch is None or position is None or start is None:
            return
        rows = self._history.rows(epoch, stream, self._user)[start:position]
        hole = [row for row in rows if self._is_missing(epoch, stream, row)]
        assert not hole, f"{self._name} stands at {stream} {position} and never saw {_seqs(hole)}"

    def _check_not_ahead(self) -> None:
        epoch = self._position.epoch
        assert epoch is not None
        for stream in STREAMS:
            top = len(self._history.rows(epoch, stream, self._user))
            at = self._position.get(stream) or 0
            assert at <= top, f"{self._name} stands at {stream} {at}, but there are only {top}"

    def _is_missing(self, epoch: str, stream: str, row: Row) -> bool:
        excused = row.seq <= self._excused[epoch, stream] or row.id in self._passed
        return self._is_due(row) and (epoch, row.id) not in self._ids and not excused

    def _is_due(self, row: Row) -> bool:
        return self._history.is_alive(row) and self._user not in row.exclude

    def _confirm(self, me: int | None, everyone: int | None) -> None:
        epoch = self._position.epoch
        if epoch is not None:
            self._history.confirm(epoch, self._user, "me", me)
            self._history.confirm(epoch, self._user, "all", everyone)

    def _row(self, epoch: str, stream: str, seq: int) -> Row | None:
        rows = self._history.rows(epoch, stream, self._user)
        return rows[seq - 1] if seq <= len(rows) else None


def _seqs(rows: Sequence[Any]) -> str:
    return ", ".join(str(row.seq) for row in rows)
