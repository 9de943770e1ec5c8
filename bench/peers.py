"""The peers in Node and the naive baselines in Python, as context managers; each runs alone on the server core.

Node's packages are installed from the lock file beside package.json. Without npm the comparison is left
out and the results say so.
"""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench import machine
from bench.processes import Child, run_once, wait_for_port
from bench.services import BASE_PORT, Database, Valkey

ROOT = Path(__file__).parent.parent
_FOLDER = Path(__file__).parent / "peers"
_INSTALL_SECONDS = 300
KEY = "bench-key"
CHANNEL = "bench:peer"

WS_PORT = BASE_PORT + 21
IO_PORT = BASE_PORT + 22
EXPRESS_PORT = BASE_PORT + 23
NOOP_PORT = BASE_PORT + 24
NAIVE_PORT = BASE_PORT + 25

TABLES = """
CREATE TABLE IF NOT EXISTS peer_notifications (
  id uuid PRIMARY KEY, event varchar(100) NOT NULL, data text NOT NULL, created_at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS peer_deliveries (
  notification_id uuid NOT NULL, user_name varchar(128) NOT NULL, state varchar(10) NOT NULL,
  PRIMARY KEY (notification_id, user_name));
TRUNCATE peer_notifications, peer_deliveries;
"""


@cache
def available() -> bool:
    """Whether the Node peers can run; installs their packages the first time."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return False
    if not (_FOLDER / "node_modules" / ".package-lock.json").exists():
        # Not `npm ci`: a registry without the packages for other systems makes a lock file that it calls incomplete.
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=_FOLDER, capture_output=True, timeout=_INSTALL_SECONDS, check=False
        )
        if done.returncode != 0:
            print(f"peers left out, npm install failed: {done.stderr.decode()[-400:]}", file=sys.stderr)
            return False
    return True


def _node(script: str, *arguments: str | int, core: int = machine.SERVER_CORE) -> Child:
    command = [shutil.which("node") or "node", script, *map(str, arguments)]
    return Child(command, core=core, cwd=_FOLDER, env={"NODE_ENV": "production"})


@contextmanager
def _ready(child: Child) -> Iterator[Child]:
    with child:
        child.await_line("ready")
        yield child


@contextmanager
def ws_node(server: Valkey) -> Iterator[Child]:
    """`ws` + ioredis."""
    with _ready(_node("sockets_ws.js", WS_PORT, server.port, CHANNEL)) as child:
        yield child


@contextmanager
def socketio_node(server: Valkey) -> Iterator[Child]:
    """Socket.IO + redis-adapter."""
    with _ready(_node("sockets_io.js", IO_PORT, server.port)) as child:
        yield child


@contextmanager
def express(server: Valkey) -> Iterator[Child]:
    """Express + zod + BullMQ."""
    with _ready(_node("intake.js", EXPRESS_PORT, server.port, f"q{uuid.uuid4().hex[:6]}", KEY)) as child:
        yield child


def fill_bullmq(server: Valkey, queue: str, *, count: int, users: int) -> None:
    """Put jobs into a BullMQ queue."""
    node = shutil.which("node") or "node"
    command = [node, "worker.js", "fill", str(server.port), queue, str(count), str(users)]
    run_once(command, core=machine.LOAD_CORE, seconds=120, cwd=_FOLDER)


@contextmanager
def bullmq_worker(server: Valkey, database: Database, queue: str) -> Iterator[Child]:
    """The BullMQ worker with pg."""
    with _ready(_node("worker.js", "work", server.port, queue, database.plain_url, CHANNEL)) as child:
        yield child


@contextmanager
def _gunicorn(target: str, port: int, env: dict[str, str]) -> Iterator[Child]:
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "1", "--no-control-socket"]
    command += ["--log-level", "error", "--bind", f"127.0.0.1:{port}", "--backlog", "1024", target]
    with Child(command, core=machine.SERVER_CORE, cwd=ROOT, env=env) as child:
        wait_for_port(port)
        yield child


def _naive_env(server: Valkey, database: Database | None) -> dict[str, str]:
    return {
        "NAIVE_REDIS_URL": server.url,
        "NAIVE_DATABASE_URL": database.sqlalchemy_url if database else "",
        "NAIVE_CHANNEL": CHANNEL,
        "NAIVE_KEY": KEY,
    }


@contextmanager
def noop_api() -> Iterator[Child]:
    """Falcon that does nothing."""
    with _gunicorn("bench.baselines.noop:application", NOOP_PORT, {}) as child:
        yield child


@contextmanager
def naive_api(server: Valkey) -> Iterator[Child]:
    """Falcon with one `apply_async` per request."""
    with _gunicorn("bench.baselines.naive_api:application", NAIVE_PORT, _naive_env(server, None)) as child:
        yield child


def fill_naive(server: Valkey, database: Database, *, count: int) -> None:
    """Put tasks into the queue of the naive worker."""
    command = [sys.executable, "-m", "bench.baselines.fill"]
    env = {**_naive_env(server, database), "NAIVE_COUNT": str(count)}
    run_once(command, core=machine.LOAD_CORE, seconds=120, cwd=ROOT, env=env)


@contextmanager
def naive_worker(server: Valkey, database: Database) -> Iterator[Child]:
    """A Celery worker, one process, one task per notification."""
    command = [sys.executable, "-m", "celery", "-A", "bench.baselines.naive_tasks", "worker", "-c", "1"]
    command += ["--loglevel", "ERROR"]
    with Child(command, core=machine.SERVER_CORE, cwd=ROOT, env=_naive_env(server, database)) as child:
        yield child
