"""Redis of the model: the scripts of shared/redis/lua in Python, and channels that may lose, hold and repeat.

It stands where the adapters stand (Streams, Publisher, Acks, Leases, Bus); tests/model/test_twins.py runs the same
calls against a real server and compares. Nothing expires by itself: the machine takes keys away.
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from shared.protocol import envelope
from shared.protocol.envelope import AppFrames, Broadcast, Record, TailFrame
from shared.redis.acks import Ack
from shared.redis.publish import Published, TailBounds
from shared.redis.streams import Connected, Since, Tails, Tops, _connected
from tests.model.database import APP

_RECORD = ("epoch", "top", "rev", "acked", "all_acked", "total", "unseen", "unread", "archived")
_EVERYONE = ("b_at", "b_total", "b_unseen", "b_unread", "b_archived")


class Redis:
    """What the scripts keep, of one app."""

    def __init__(self, bounds: TailBounds) -> None:
        self._bounds = bounds
        self.streams: dict[str, dict[str, Any]] = {}
        """Hashes; `nodes` is a list."""
        self.app: dict[str, Any] = {}
        self.tail_me: dict[str, dict[int, tuple[int, TailFrame]]] = defaultdict(dict)
        """By user: seq -> (bytes of the member, frame)."""
        self.tail_all: dict[int, tuple[int, TailFrame]] = {}
        self.acks: dict[str, tuple[int, int]] = {}
        self.leases: set[str] = set()
        self.nodes: set[str] = set()
        self.channels: dict[str, list[bytes]] = {}
        """By node that listens: what is on its way."""
        self._runs = 1

    _KEPT = ("streams", "app", "tail_me", "tail_all", "acks", "leases", "nodes")

    @property
    def run(self) -> str:
        """Which run this is; see lua/run_id.lua."""
        return f"run {self._runs}"

    def restart(self) -> None:
        """It begins a new run."""
        self._runs += 1

    def snapshot(self) -> dict[str, Any]:
        """What a disk holds that lost what comes after now."""
        return {name: copy.deepcopy(getattr(self, name)) for name in self._KEPT}

    def turn_back(self, kept: dict[str, Any]) -> None:
        for name, value in kept.items():
            setattr(self, name, copy.deepcopy(value))

    def drop_streams(self) -> None:
        """The last step of a restore: records, tails and acks go, presence stays."""
        for found in self.streams.values():
            for name in [name for name in found if name != "nodes"]:
                del found[name]
        for kept in (self.app, self.tail_me, self.tail_all, self.acks):
            kept.clear()

    def forget_all(self) -> None:
        for name in self._KEPT:
            getattr(self, name).clear()

    # Streams

    def connect(self, node: str, users: Sequence[tuple[str, str, Since]]) -> list[Connected]:
        return [self._connect_one(node, user, since) for _, user, since in users]

    def _connect_one(self, node: str, user: str, since: Since) -> Connected:
        found = self._register(node, user)
        epoch = found.get("epoch") or self.app.get("epoch")
        same = bool(since.epoch) and since.epoch == epoch
        me = since.me if same and since.me is not None else found.get("acked")
        everyone = since.all if same and since.all is not None else found.get("all_acked")
        fields = [_raw(found.get(name)) for name in (*_RECORD, *_EVERYONE, "run")]
        app = [_raw(self.app.get(name)) for name in ("epoch", "top", "run")]
        connected = _connected([fields, *app, [], [], [None, 0, 0]], self.run.encode())
        connected.me_tail.extend(_after(self.tail_me[user], me))
        connected.all_tail.extend(_after(self.tail_all, everyone))
        return connected

    def disconnect(self, node: str, users: Sequence[tuple[str, str]]) -> None:
        for _, user in users:
            found = self.streams.get(user)
            if found is not None and "nodes" in found:
                found["nodes"] = [one for one in found["nodes"] if one != node]

    def positions(self, node: str, users: Sequence[tuple[str, str]]) -> list[tuple[str | None, int | None]]:
        found = [self._register(node, user) for _, user in users]
        return [_top(one) if one.get("run") == self.run else (None, None) for one in found]

    def tails(self, app: str, user: str, *, me: int, all: int) -> Tails:
        record = self.streams.get(user, {})
        return Tails(
            epoch=record.get("epoch") or self.app.get("epoch"),
            me_top=record.get("top"),
            all_top=self.app.get("top"),
            me_tail=_after(self.tail_me[user], me),
            all_tail=_after(self.tail_all, all),
        )

    def app_top(self, app: str) -> tuple[str | None, int | None]:
        return _top(self.app) if self.app.get("run") == self.run else (None, None)

    def tops(self, app: str, users: Sequence[str]) -> Tops:
        return Tops(self.run, _top(self.app), [_top(self.streams.get(user, {})) for user in users])

    def put_many(
        self, app: str, epoch: str, app_top: int, records: Sequence[Record], *, run: str = ""
    ) -> list[bool]:
        return [self._put(epoch, app_top, record, run) for record in records]

    def _put(self, epoch: str, app_top: int, record: Record, run: str) -> bool:
        app_same = self.app.get("epoch") == epoch
        if not app_same:
            self.tail_all.clear()
        if not app_same or self.app.get("top", -1) < app_top:
            self.app |= {"epoch": epoch, "top": app_top}
        _say_run(self.app, run, app_same)
        found = self.streams.get(record.user)
        if found is None or "nodes" not in found:
            return False
        same = found.get("epoch") == epoch
        if not same:
            self.tail_me[record.user].clear()
        _say_run(found, run, same)
        newer = same and found.get("rev", -1) > record.rev
        if record.everyone is not None and not (newer and found.get("b_at", -1) >= record.everyone_at):
            e = record.everyone
            numbers = (record.everyone_at, e.total, e.unseen, e.unread, e.archived)
            found.update(zip(_EVERYONE, numbers, strict=True))
        if newer:
            return False
        self._write(found, epoch, record, keep_acks=same)
        return True

    # Publisher

    def publish(self, frames: AppFrames) -> Published:
        warm, messages, deaf = self.publish_me(frames) if frames.records or frames.items else (0, 0, set())
        for one in frames.broadcasts:
            sent, silent = self.publish_all(frames, one)
            messages, deaf = messages + sent, deaf | silent
        return Published(warm, messages, tuple(sorted(deaf)))

    def publish_me(self, frames: AppFrames) -> tuple[int, int, set[str]]:
        to_nodes: dict[str, list[envelope.Item]] = {}
        warm = 0
        for user, record in frames.records.items():
            found = self.streams.get(user)
            if found is None or "nodes" not in found:
                continue
            warm += 1
            items = [item for item in frames.items if item.user == user]
            changed = found.get("epoch") is not None and found.get("epoch") != frames.epoch
            tail = self.tail_me[user]
            if changed:
                found.pop("run", None)
            if found.get("epoch") != frames.epoch:
                tail.clear()
            size = found.get("bytes", 0) if tail else 0
            if changed or "rev" not in found or found["rev"] < record.rev:
                self._write(found, frames.epoch, record, keep_acks=not changed)
            found["bytes"] = self._append(tail, size, frames, items)
            for node in found["nodes"]:
                if node in self.leases:
                    to_nodes.setdefault(node, []).extend(items)
        deaf = {node for node, items in to_nodes.items() if not self._send(node, _frames(frames, items))}
        return warm, len(to_nodes) - len(deaf), deaf

    def _append(
        self,
        tail: dict[int, tuple[int, TailFrame]],
        size: int,
        frames: AppFrames,
        items: Sequence[envelope.Item],
    ) -> int:
        for item in items:
            body = frames.bodies[item.body]
            head = len(f"{item.seq} {item.prev} {body.expires_at}\n")
            frame = TailFrame(item.seq, item.prev, body.expires_at, body.fragment.encode())
            was = tail.get(item.seq)
            if was is None or was[1] != frame:
                member = head + len(frame.fragment)
                size += member - (was[0] if was else 0)
                tail[item.seq] = member, frame
        while size > self._bounds.bytes or len(tail) > self._bounds.frames:
            if not tail:
                return 0
            size -= tail.pop(min(tail))[0]
        return size

    def publish_all(self, frames: AppFrames, one: Broadcast) -> tuple[int, set[str]]:
        if self.app.get("epoch") != frames.epoch:
            self.tail_all.clear()
            self.app.pop("run", None)
        if self.app.get("epoch") != frames.epoch or self.app.get("top", -1) < one.seq:
            self.app |= {"epoch": frames.epoch, "top": one.seq}
        body = one.body
        raw = envelope.encode_all(frames.app, frames.epoch, one)
        head = len(f"{one.seq} {one.prev} {body.expires_at} \n") + len(raw.split(b"\n")[1])
        frame = TailFrame(one.seq, one.prev, body.expires_at, body.fragment.encode(), one.excluded)
        self.tail_all[one.seq] = head + len(frame.fragment), frame
        size = 0
        for count, seq in enumerate(sorted(self.tail_all, reverse=True), 1):
            size += self.tail_all[seq][0]
            if count > self._bounds.frames or size > self._bounds.bytes:
                del self.tail_all[seq]
        self.nodes &= self.leases
        deaf = {node for node in sorted(self.nodes) if not self._send(node, raw)}
        return len(self.nodes) - len(deaf), deaf

    # Acks, leases, channels

    def merge(self, _: str, own: Mapping[str, int], common: Mapping[str, int]) -> int:
        moved = 0
        for user in own.keys() | common.keys():
            me, everyone = self.acks.get(user, (0, 0))
            found = self.streams.get(user, {})
            was = found.get("acked"), found.get("all_acked")
            new = max(me, own.get(user, 0), was[0] or 0), max(everyone, common.get(user, 0), was[1] or 0)
            if new[0] > (me if was[0] is None else was[0]) or new[1] > (
                everyone if was[1] is None else was[1]
            ):
                self.acks[user] = new
                if "nodes" in found:
                    found["acked"], found["all_acked"] = new
                moved += 1
        return moved

    def nudge(self, *, every_ms: int = 200) -> bool:
        return True

    def take(self, limit: int) -> list[Ack]:
        return [Ack(APP, user, *both) for user, both in list(self.acks.items())[:limit]]

    def done(self, acks: Sequence[Ack]) -> int:
        removed = 0
        for ack in acks:
            if self.acks.get(ack.user) == (ack.me, ack.all):
                del self.acks[ack.user]
                removed += 1
        return removed

    def subscribe(self, node: str) -> None:
        self.channels[node] = []

    def unsubscribe(self, node: str) -> None:
        """What is on its way is lost, as in a socket that was cut."""
        self.channels.pop(node, None)

    def lease(self, node: str) -> None:
        self.leases.add(node)
        self.nodes.add(node)

    def to_node(self, node: str, message: bytes) -> bool:
        return self._send(node, message)

    def _send(self, node: str, message: bytes) -> bool:
        if node not in self.channels:
            self.leases.discard(node)
            return False
        self.channels[node].append(message)
        return True

    def _register(self, node: str, user: str) -> dict[str, Any]:
        found = self.streams.setdefault(user, {"nodes": []})
        nodes = found.setdefault("nodes", [])
        if node not in nodes:
            nodes.append(node)
        return found

    def _write(self, found: dict[str, Any], epoch: str, record: Record, *, keep_acks: bool) -> None:
        acked, all_acked, own = record.acked, record.all_acked, record.own
        if keep_acks:
            acked = max(acked, found.get("acked", 0))
            all_acked = max(all_acked, found.get("all_acked", 0))
        values = (
            epoch,
            record.top,
            record.rev,
            acked,
            all_acked,
            own.total,
            own.unseen,
            own.unread,
            own.archived,
        )
        found.update(zip(_RECORD, values, strict=True))


def _top(found: dict[str, Any]) -> tuple[str | None, int | None]:
    return found.get("epoch"), found.get("top")


def _say_run(found: dict[str, Any], run: str, same_epoch: bool) -> None:
    if run:
        found["run"] = run
    elif not same_epoch:
        found.pop("run", None)


def _raw(value: Any) -> bytes | None:
    return None if value is None else str(value).encode()


def _after(tail: dict[int, tuple[int, TailFrame]], last: int | None) -> list[TailFrame]:
    return [] if last is None else [tail[seq][1] for seq in sorted(tail) if seq > last]


def _frames(frames: AppFrames, items: Sequence[envelope.Item]) -> bytes:
    """What publish_me.lua sends to one node: only the bodies that its users need."""
    numbers = list(dict.fromkeys(item.body for item in items))
    bodies = [frames.bodies[number] for number in numbers]
    moved = [envelope.Item(i.user, i.seq, i.prev, numbers.index(i.body)) for i in items]
    return envelope.encode_frames(frames.app, frames.epoch, bodies, moved)
