"""The other side of Redis, played by the test: a database in a dictionary, a publisher, and a worker's answers.

It uses the real adapters and reads the real Celery messages, so that the node cannot tell it from workers.
"""

import base64
import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import redis

from shared.ids import uuid7
from shared.protocol import envelope, frames
from shared.protocol.envelope import AppFrames, Body, Broadcast, Counts, Item, Record, ReplayPart, TailFrame
from shared.redis.bus import Bus
from shared.redis.client import connect
from shared.redis.publish import Publisher, TailBounds
from shared.redis.streams import Streams

APP = "main"
QUEUES = ("replay", "receipts")


@dataclass
class Stream:
    """One user's stream as the database would have it."""

    rows: list[TailFrame] = field(default_factory=list)
    acked: int = 0
    all_acked: int = 0
    rev: int = 0

    @property
    def top(self) -> int:
        return self.rows[-1].seq if self.rows else 0


class Backend:
    """Database, publisher and worker of one test. `epoch` names the life of its streams."""

    def __init__(self, url: str, *, epoch: str = "e0", bounds: TailBounds | None = None) -> None:
        self.epoch = epoch
        self.client = connect(url)
        self.users: dict[str, Stream] = {}
        self.everyone: list[TailFrame] = []
        self.jobs: list[tuple[str, dict[str, Any]]] = []
        self.mute: set[str] = set()
        """Jobs that nobody answers."""
        self.lost_history = False
        """A replay finds that it cannot be made whole."""
        self.last_request_id = ""
        self._publisher = Publisher(self.client, bounds or TailBounds())
        self._streams = Streams(self.client)
        self._bus = Bus(self.client)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Write the app's record, as any worker does, and begin to answer jobs."""
        self.client.hset("app:main", mapping={"epoch": self.epoch, "top": self._all_top})
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.client.close()

    def of(self, user: str) -> Stream:
        return self.users.setdefault(user, Stream())

    def store(self, user: str, count: int = 1, *, ttl: float = 60, size: int = 10) -> list[TailFrame]:
        """Commit frames that nobody publishes."""
        stream = self.of(user)
        made = [self._row(stream.top + n, ttl=ttl, size=size) for n in range(1, count + 1)]
        stream.rows += made
        stream.rev += 1
        return made

    def publish(self, *users: str, rows: dict[str, list[TailFrame]] | None = None, **options: Any) -> None:
        """Commit (unless `rows` are given) and publish to these users in one call."""
        rows = rows or {user: self.store(user, **options) for user in users}
        bodies = [self._body(row) for of_user in rows.values() for row in of_user]
        items, at = [], 0
        for user, of_user in rows.items():
            for row in of_user:
                items.append(Item(user, row.seq, row.prev, at))
                at += 1
        records = {user: self._record(user) for user in rows}
        self._publisher.publish(AppFrames(APP, self.epoch, bodies, items, records))

    def broadcast(
        self, *, excluded: tuple[str, ...] = (), ttl: float = 60, size: int = 10, silent: bool = False
    ) -> None:
        """Commit one notification to everyone, and publish it unless `silent`."""
        row = self._row(self._all_top + 1, ttl=ttl, size=size, excluded=excluded)
        self.everyone.append(row)
        if not silent:
            one = Broadcast(row.seq, row.prev, self._body(row), excluded)
            self._publisher.publish(AppFrames(APP, self.epoch, broadcasts=[one]))

    def counts(self, user: str) -> Counts:
        own = self.of(user).top
        return Counts(own + self._all_top, own + self._all_top, own + self._all_top, 0)

    def job_names(self) -> list[str]:
        return [name.removeprefix("bellhop.") for name, _ in self.jobs]

    @property
    def _all_top(self) -> int:
        return self.everyone[-1].seq if self.everyone else 0

    def _row(self, seq: int, *, ttl: float, size: int, excluded: tuple[str, ...] = ()) -> TailFrame:
        now = int(time.time() * 1000)
        expires = now + int(ttl * 1000)
        data = json.dumps({"n": seq, "text": "é" + "x" * size}, ensure_ascii=False)
        text = frames.fragment(
            id=uuid7(now, os.urandom(10)),
            event="test.made",
            data_json=data,
            sent_at_ms=now,
            expires_at_ms=expires,
        )
        return TailFrame(seq, seq - 1, expires, text.encode(), excluded)

    def _body(self, row: TailFrame) -> Body:
        text = row.fragment.decode()
        self.last_request_id = f"r-{os.urandom(4).hex()}"
        return Body(text[6:42], self.last_request_id, text, row.expires_at)

    def _record(self, user: str, *, everyone: bool = False) -> Record:
        stream = self.of(user)
        top, all_top = stream.top, self._all_top
        return Record(
            user,
            top,
            stream.rev,
            stream.acked,
            stream.all_acked,
            Counts(top, top, top, 0),
            Counts(all_top, all_top, all_top, 0) if everyone else None,
            all_top,
        )

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                got = self.client.brpop(QUEUES, timeout=0.1)
            except redis.RedisError:
                time.sleep(0.05)
                continue
            if got is None:
                continue
            message = json.loads(got[1])
            name = message["headers"]["task"]
            _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
            self.jobs.append((name, kwargs))
            short = name.removeprefix("bellhop.")
            if short not in self.mute:
                getattr(self, f"_{short}")(**kwargs)

    def put(self, app: str, users: list[str]) -> None:
        """Records of these users, as this run of Redis is to believe them."""
        records = [self._record(user, everyone=True) for user in users]
        run = self._streams.tops(app, []).run
        self._streams.put_many(app, self.epoch, self._all_top, records, run=run)

    def tell_state(self, user: str, state: dict[str, Any]) -> int:
        """Send a `state` frame to the user's nodes; how many took it."""
        return self._bus.state(APP, user, state)

    def answer_syncs(self) -> None:
        """Answer the `sync` jobs that came while nobody did, and those that come."""
        self.client.hset("app:main", mapping={"epoch": self.epoch, "top": self._all_top})
        self.mute.discard("sync")
        for name, kwargs in list(self.jobs):
            if name == "bellhop.sync":
                self._sync(**kwargs)

    def _sync(self, *, app: str, users: list[str], node: str) -> None:
        self.put(app, users)
        self._bus.to_node(node, envelope.encode_synced(app, users))

    def _replay(
        self,
        *,
        app: str,
        user: str,
        node: str,
        connection: str,
        attempt: int,
        me: int | None,
        all: int | None,
    ) -> None:
        stream, rows, others = self.of(user), list(self.of(user).rows), list(self.everyone)
        after = stream.acked if me is None else me
        mine = [row for row in rows if row.seq > after]
        everyones = [row for row in others if row.seq > (stream.all_acked if all is None else all)]
        if all is None:
            everyones = everyones[-100:]
        half = len(mine) // 2
        whole = not self.lost_history
        for last, some, more in ((False, mine[:half], []), (True, mine[half:], everyones)):
            part = ReplayPart(
                connection=connection,
                attempt=attempt,
                last=last,
                me=rows[-1].seq if rows else 0,
                all=others[-1].seq if others else 0,
                recovered=whole,
                me_frames=[self._for_replay(row, user) for row in some] if whole else [],
                all_frames=[self._for_replay(row, user) for row in more] if whole else [],
            )
            self._bus.to_node(node, envelope.encode_replay(part))

    def _mark(
        self, *, app: str, user: str, action: str, ids: list[str], node: str, connection: str, ref: Any
    ) -> None:
        counts = {"total": 1, "unseen": 0, "unread": 0, "archived": 0}
        result = {"changed": len(ids), "counts": counts}
        self._bus.to_node(
            node, envelope.encode_reply(connection, {"type": "reply", "ref": ref, "result": result})
        )
        state = {
            "type": "state",
            "ids": ids,
            f"{action}_at": "2026-01-01T00:00:00.000Z",
            "counts": counts,
            "rev": 9,
        }
        self._bus.state(app, user, state, except_connection=connection)

    def _receipts(self) -> None:
        pass

    @staticmethod
    def _for_replay(row: TailFrame, user: str) -> TailFrame:
        gone = row.expires_at <= time.time() * 1000 or user in row.excluded
        return TailFrame(row.seq, row.prev, row.expires_at, b"" if gone else row.fragment)
