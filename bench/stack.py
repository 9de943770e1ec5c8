"""A whole Bellhop for one benchmark: the Procfile's processes on an own database, pinned to cores.

Nothing is left out: authentication, presence, sequence numbers, tails, task events and logs are as they are in
production. The process under test has the server core to itself, all others share the load core.
"""

import http.client
import os
import re
import shutil
import signal
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench import machine
from bench.context import Context
from bench.load_tools import Socket
from bench.processes import BenchError
from bench.report import significant
from bench.services import BASE_PORT, Database, Valkey, postgres
from launcher.system import Ports, System
from shared.protocol.jobs import Queue
from shared.redis import keys
from shared.redis.client import connect

_PORTS = BASE_PORT + 1
_NODE = "node"
_ATTEMPTS = 20
_AWAITED = (Queue.CRITICAL, Queue.NORMAL, Queue.RECEIPTS, Queue.REPLAY)
"""What `worker` consumes; worker_bulk may be away."""


class Stack:
    """A running system with the few things that benchmarks ask of it."""

    def __init__(self, system: System, valkey: Valkey, database: Database | None) -> None:
        self.system, self.valkey, self.database = system, valkey, database
        self.redis = connect(valkey.url)
        self.key = system.api_key
        self.api_port = system.settings.api_port
        self.repeated_posts = 0
        """POSTs that were answered 503 and sent again; more than a few make a run worthless."""
        self._post = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=30)

    def pids(self, name: str) -> list[int]:
        """A process of the Procfile with all its children."""
        return machine.descendants(self.system.pid(name))

    def node_pid(self, index: int) -> int:
        """The one process of a node that holds its sockets: gunicorn's only child."""
        return self.system.children(_NODE, index)[-1]

    def pin(self, under_test: Collection[str]) -> None:
        """Give the server core to the processes named (`node` means the first one), the other core to the rest.

        With nothing named, all share all cores.
        """
        for (name, index), pid in self.system.pids().items():
            alone = name in under_test and index == 0
            core = machine.SERVER_CORE if alone else machine.LOAD_CORE
            machine.pin(pid, {core} if under_test else machine.ALL_CORES)
        if self.database and under_test:
            self.database.pin()

    def rest(self, *names: str) -> None:
        """End processes that this benchmark does not need."""
        for name in names:
            self.system.hold(name)

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Keep processes from running for a while, without ending them."""
        pids = [pid for name in names for pid in self.pids(name)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def sockets(self, users: Sequence[str], *, node: int = 0, since: str = "") -> list[Socket]:
        """One connection for each user, signed in by a token in the handshake."""
        port = self.system.settings.node_port + node
        path = f"/ws?{since}" if since else "/ws"
        return [Socket(port, path, self.system.token(user)) for user in users]

    def socketio(self, users: Sequence[str]) -> list[Socket]:
        """The same as Socket.IO clients over WebSocket alone: the token is in CONNECT, which the load client sends."""
        port = self.system.settings.node_port
        path = "/socket.io/?EIO=4&transport=websocket"
        return [Socket(port, path, self.system.token(user)) for user in users]

    def notify(self, user: str | None, data: bytes) -> None:
        """POST one notification to a user, or to everyone."""
        self._send(
            "/v1/notifications", b'{"to":%b,"event":"bench","data":%b,"ttl":3600}' % (_audience(user), data)
        )

    def notify_each(self, users: Sequence[str | None], data: Sequence[bytes]) -> None:
        """POST one batch: a notification for each user."""
        items = b",".join(
            b'{"to":%b,"event":"bench","data":%b,"ttl":3600}' % (_audience(user), one)
            for user, one in zip(users, data, strict=True)
        )
        self._send("/v1/notifications/batch", b'{"notifications":[%b]}' % items)

    def _send(self, path: str, body: bytes) -> None:
        """POST as a careful sender does: repeat with the same key while the answer says that this may help."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex, **self.auth()}
        for _ in range(_ATTEMPTS):
            self._post.request("POST", path, body, headers)
            answer = self._post.getresponse()
            text = answer.read()
            if answer.status == http.client.ACCEPTED and b'"error"' not in text:
                return
            if answer.status != http.client.SERVICE_UNAVAILABLE:
                break
            self.repeated_posts += 1
        raise BenchError(f"POST {path}: {answer.status} {text[:500]!r}")

    def auth(self) -> dict[str, str]:
        """The header of a sender."""
        return {"Authorization": f"Bearer {self.key}"}

    def here(self, *, me: int = 0) -> str:
        """The position of a client that has all of everyone's stream, as the query of a handshake."""
        epoch, top = self.redis.hmget(keys.app("main"), ["epoch", "top"])
        return f"epoch={_text(epoch)}&me={me}&all={_text(top) or 0}" if epoch else ""

    def queued(self, queue: str) -> int:
        """Jobs waiting in a queue."""
        return int(self.redis.llen(queue))

    def settle(self, seconds: float = 120) -> None:
        """Wait until what was accepted is stored, what was acknowledged is written, and no job of `worker` waits."""
        until = time.monotonic() + seconds
        while left := self._unsettled():
            if time.monotonic() > until:
                raise BenchError(f"the pipeline does not come to rest: {left}")
            time.sleep(0.02)

    def _unsettled(self) -> dict[str, int]:
        found = {str(queue): self.queued(queue) for queue in _AWAITED}
        found |= {name: int(self.redis.hlen(name)) for name in (keys.JOURNAL, keys.ACKS)}
        return {name: count for name, count in found.items() if count}

    def metric(self, name: str, metric: str, label: str = "") -> float:
        """The sum of one metric over its labels (or those with `label` in them), as a process reports it."""
        with urllib.request.urlopen(f"{self.system.url(name)}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        values = re.findall(rf"^bellhop_{metric}(?:{{[^}}]*{label}[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in values)

    def mean_job_ms(self, job: str) -> float:
        """How long a job took in `worker` on average since its start."""
        count = self.metric("worker", "job_seconds_count", job)
        return significant(1e3 * self.metric("worker", "job_seconds_sum", job) / count) if count else 0.0

    def close(self) -> None:
        """Close our own connections."""
        self._post.close()
        self.redis.close()


def _text(raw: Any) -> str:
    return raw.decode() if isinstance(raw, bytes) else ""


def _audience(user: str | None) -> bytes:
    return b'{"everyone":true}' if user is None else b'{"users":[%b]}' % orjson.dumps(user)


@contextmanager
def stack(
    context: Context,
    *,
    nodes: int,
    under_test: Collection[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Start a system on empty Redis and an empty database; end it and remove its data."""
    directory = Path(tempfile.mkdtemp(prefix="bellhop-bench-data-"))
    with ExitStack() as exits:
        exits.callback(shutil.rmtree, directory, ignore_errors=True)
        context.valkey.client().flushall()
        database = exits.enter_context(postgres()) if context.postgres else None
        env = {"BELLHOP_NODES": str(nodes), "REDIS_URL": context.valkey.url, "BROKER_URL": context.valkey.url}
        env |= settings or {}
        if database:
            env["DATABASE_URL"] = database.sqlalchemy_url
        system = exits.enter_context(System(directory, ports=Ports.block(_PORTS), env=env))
        ours = Stack(system, context.valkey, database)
        exits.callback(ours.close)
        ours.pin(under_test)
        yield ours
