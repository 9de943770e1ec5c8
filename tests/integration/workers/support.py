"""What the workers' tests share: a real worker process, and the parts around it played by the test.

The test is the api (journal and queue) and a node (a lease and a subscribed channel); the worker between them is real.
"""

import itertools
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import select

from launcher.ports import free_port
from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from shared.clock import SystemClock
from shared.config import Settings, load
from shared.db import Database
from shared.ids import uuid7
from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Queue
from shared.protocol.journal import Entry
from shared.queue import JobQueue
from shared.redis.client import connect
from shared.redis.journal import Bounds, Journal, Submission
from shared.redis.leases import Leases
from shared.redis.streams import Since, Streams
from workers.deps import Deps, open_deps

ROOT = Path(__file__).parents[3]
START_S = 30
ALL_QUEUES = "critical,normal,receipts,replay,bulk,maintenance"
BOUNDS = Bounds(entries=200_000, bytes=1 << 29)
_numbers = itertools.count(1)


def eventually(condition: Callable[[], Any], *, seconds: float = 15) -> Any:
    """The first true value of `condition`; fails with what it was last after the deadline."""
    seen: list[Any] = [None]

    def holds() -> bool:
        seen[0] = condition()
        return bool(seen[0])

    assert wait_for(holds, seconds=seconds), f"never came true, last: {seen[0]!r}"
    return seen[0]


def now_ms() -> int:
    return SystemClock().now_ms()


def entry(*users: str, **changes: Any) -> Entry:
    """A valid entry, accepted just now."""
    number, now = next(_numbers), now_ms()
    values: dict[str, Any] = {
        "id": uuid7(now, number.to_bytes(10, "big")),
        "app": "main",
        "accepted_at": now,
        "expires_at": now + 86_400_000,
        "request_id": f"r-{number}",
        "sender": "key:abcdefgh",
        "priority": "normal",
        "users": users,
        "everyone": False,
        "exclude": (),
        "event": "order.paid",
        "data_json": f'{{"n":{number}}}',
        "ttl": 86_400,
    }
    return Entry(**{**values, **changes})


class Node:
    """A node's side: lease, presence, and the envelopes that arrive on its channel."""

    def __init__(self, url: str, name: str = "n1") -> None:
        self.name, self._client = name, connect(url)
        self.streams, self.leases = Streams(self._client), Leases(self._client, life=600)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(f"node:{name}")
        self.leases.take(name, "127.0.0.1:1")
        self.raw: list[bytes] = []

    def hold(self, *users: str) -> None:
        """Users connect here."""
        self.streams.connect(self.name, [("main", user, Since()) for user in users])

    def poll(self) -> list[envelope.Envelope]:
        """All envelopes so far: everything that was published before this call."""
        mark = envelope.encode_probe(next(_numbers))
        deadline = time.monotonic() + 5
        with suppress(redis.RedisError):
            self._client.publish(f"node:{self.name}", mark)
            while time.monotonic() < deadline:
                message = self._pubsub.get_message(timeout=0.1)
                if message is not None and message["data"] == mark:
                    break
                if message is not None:
                    self.raw.append(message["data"])
        return [envelope.decode(raw) for raw in self.raw]

    def of(self, kind: type) -> list[Any]:
        """The envelopes of one kind so far."""
        return [one for one in self.poll() if isinstance(one, kind)]

    def ids(self) -> list[str]:
        """The notification ids in all `frames` and `all` envelopes so far, in order, repeated as often as sent."""
        found: list[str] = []
        for one in self.poll():
            match one:
                case envelope.Frames():
                    found += [_id(one.bodies[item[4]][1]) for item in one.items]
                case envelope.All():
                    found.append(_id(one.frame.fragment))
        return found

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()


def _id(fragment: bytes) -> str:
    return str(json.loads(b"{" + fragment)["id"])


class Worker:
    """A Celery worker as the Procfile starts it, with its settings in the environment."""

    def __init__(self, folder: Path, environ: dict[str, str], *, entry: str, name: str, queues: str) -> None:
        self.port = free_port()
        self.log_path = folder / f"{name}.log"
        metrics = folder / f"metrics-{name}"
        metrics.mkdir(exist_ok=True)
        own = {"PORT": str(self.port), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        command = [sys.executable, "-m", "celery", "-A", entry, "worker", "-P", "prefork", "-n", f"{name}@%h"]
        command += ["-Q", queues, "--without-gossip", "--without-mingle", "-E"]
        with self.log_path.open("ab") as log:
            self.process = spawn(command, env={**os.environ, **environ, **own}, cwd=ROOT, output=log)

    def get(self, path: str) -> tuple[int, str]:
        """A page of the health server; (0, reason) if nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_ready(self) -> "Worker":
        """Wait until /readiness is green."""
        deadline = time.monotonic() + START_S
        while (answer := self.get("/readiness"))[0] != 200:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"{answer}\n{self.log()}"
            time.sleep(0.05)  # between two looks at a condition with a deadline
        return self

    def children(self) -> list[int]:
        """The pool's processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def log(self) -> str:
        return self.log_path.read_text()

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric, summed over the worker's processes; 0 if it was never touched."""
        found = 0.0
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{k}="{v}"' in head for k, v in labels.items()):
                found += float(value)
        return found

    def kill(self) -> None:
        """`kill -9` of the parent and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return end(self.process, patience=20)


class Stage:
    """One Redis, one migrated database, and everything that is not a worker."""

    def __init__(self, folder: Path, redis_url: str, database_url: str, **settings: str) -> None:
        self.folder = folder
        self.environ = {
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "BELLHOP_DATA_DIR": str(folder),
            "BELLHOP_LOG_FORMAT": "json",
            **{f"BELLHOP_{name.upper()}": value for name, value in settings.items()},
        }
        self.settings: Settings = load(self.environ)
        self.redis_url = redis_url
        self.client = connect(redis_url)
        self.database = Database(database_url)
        self.journal = Journal(self.client)
        self.queue = JobQueue(redis_url)
        self.node = Node(redis_url)
        self.moment = now_ms() // 1000 * 1000
        """The second in which the test began, for those in which time stands."""
        self._workers: list[Worker] = []
        self._deps: list[Deps] = []

    def worker(
        self, *, entry: str = "workers.celery_app", name: str = "worker", queues: str = ALL_QUEUES
    ) -> Worker:
        """Start a worker and wait until it is ready."""
        found = Worker(self.folder, self.environ, entry=entry, name=name, queues=queues)
        self._workers.append(found)
        return found.wait_ready()

    def deps(self) -> Deps:
        """The adapters of a job, to run one inside the test."""
        self._deps.append(open_deps(self.settings))
        return self._deps[-1]

    def accept(self, *entries: Entry, first_look_in_ms: int = 15_000) -> list[str]:
        """What api does: write the journal."""
        submission = Submission(entries, [one.encode() for one in entries])
        now = now_ms() - 15_000 + first_look_in_ms
        [accepted] = self.journal.accept([submission], now_ms=now, bounds=BOUNDS)
        assert accepted.verdict == "stored"
        return [one.id for one in entries]

    def post(self, *entries: Entry) -> list[str]:
        """What api does: write the journal, enqueue one job."""
        ids = self.accept(*entries)
        self.queue.enqueue(Deliver(ids=ids))
        return ids

    def post_to(self, queue: str, *entries: Entry) -> list[str]:
        """As post, on a named queue."""
        ids = self.accept(*entries)
        self.queue.enqueue(Deliver(ids=ids), queue=Queue(queue))
        return ids

    def notification(self, id: str) -> Any:
        """The row, or None."""
        with self.database.session() as session:
            return session.execute(select(t.notifications).where(t.notifications.c.id == id)).first()

    def published(self, ids: Sequence[str]) -> bool:
        """Whether all of `ids` are stored and published."""
        with self.database.session() as session:
            n = t.notifications.c
            return set(ids) <= set(session.scalars(select(n.id).where(n.published_at.is_not(None))))

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table, in the order of its key."""
        with self.database.session() as session:
            return list(session.execute(select(table).order_by(*table.primary_key.columns)))

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        for deps in self._deps:
            deps.database.close()
        self.queue.close()
        self.node.close()
        self.client.close()
        self.database.close()
