"""The api as gunicorn runs it, a caller of it, and a stand-in for the worker that stores what was accepted."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from api.dev_key import development_key
from api.keys import Keys, Wanted
from launcher.ports import free_port
from launcher.spawn import end, spawn
from shared.auth import tokens
from shared.auth.principal import KEY_SCOPES
from shared.clock import SystemClock
from shared.config import Settings, load
from shared.db import Database
from shared.protocol.journal import Entry
from shared.redis import client
from shared.redis.journal import Journal
from shared.redis.tickets import Tickets
from shared.store import apps
from shared.store.groups import store_group
from shared.store.rescues import store_failed

ROOT = Path(__file__).resolve().parents[3]
SECRETS = "k1:" + "s" * 40
START_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """An answer; `json` is its body read."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    cookies: tuple[str, ...] = ()
    """Each header Set-Cookie as it came."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


@dataclass
class Api:
    """A running api. `environ` is what differs from the defaults."""

    folder: Path
    redis_url: str
    database_url: str
    environ: dict[str, str] = field(default_factory=dict)
    application: str = "api.wsgi:app"

    def __post_init__(self) -> None:
        self.port = free_port()
        self._environ = {
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "BELLHOP_JWT_SECRETS": SECRETS,
            "BELLHOP_DATA_DIR": str(self.folder),
            "BELLHOP_LOG_FORMAT": "json",
            **self.environ,
        }
        self.settings: Settings = load(self._environ)
        self.database = Database(self.database_url)
        self.key = ""
        self.log = self.folder / f"api-{self.port}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.key = self.key or development_key(self.settings)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.database.close()

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", self.application, "--config", "api/gunicorn_conf.py"]
        env = {**os.environ, **self._environ, "PORT": str(self.port)}
        with self.log.open("ab") as log:
            self._child = spawn(command, env=env, cwd=ROOT, output=log)
        until(self._answers, seconds=START_SECONDS, about=self.log.read_text)

    def stop(self) -> float:
        """End it in order; return how long that took."""
        begun = time.monotonic()
        if self._child is not None:
            end(self._child, patience=25)
            self._child = None
        return time.monotonic() - begun

    def terminate(self) -> None:
        assert self._child is not None
        self._child.terminate()

    def ended(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        auth: str | None = "",
        headers: Any = None,
        wait: float = 20,
    ) -> Answer:
        """One request on a connection of its own; `auth` empty is the development key, None nobody."""
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = f"Bearer {auth or self.key}"
        raw = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        begun = time.monotonic()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait)) as connection:
            connection.request(method, path, raw, sent)
            answer = connection.getresponse()
            content = answer.read()
        names = {name.lower(): value for name, value in answer.getheaders()}
        cookies = tuple(answer.headers.get_all("Set-Cookie") or ())
        return Answer(answer.status, names, content, time.monotonic() - begun, cookies)

    def post(self, path: str, body: Any, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def together(self, requests: list[Callable[[], Answer]]) -> list[Answer]:
        """Make all these requests at the same time."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return [future.result() for future in [pool.submit(request) for request in requests]]

    def token(self, user: str, *, app: str = "main", scopes: Iterable[str] = (), ttl: float = 60) -> str:
        now = SystemClock().now_ms()
        return tokens.issue(self.settings, user=user, app=app, ttl=ttl, now=now, scopes=scopes)

    def key_of(self, app: str, scopes: Iterable[str] = KEY_SCOPES) -> str:
        """A key of another app, which is made if need be."""
        now = SystemClock().now_ms()
        self.database.run(
            lambda session: apps.get(session, app) or apps.create(session, app, epoch="0" * 16, now_ms=now)
        )
        _, made = Keys(self.database, SystemClock(), random=os.urandom).make(
            app, Wanted(name="test", scopes=frozenset(scopes))
        )
        return made.secret

    def tickets(self) -> Tickets:
        """The tickets that the api has given."""
        return Tickets(client.connect(self.redis_url))

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        found = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in found if line.get("event") == event]

    def raw(self, *parts: bytes, wait: float = 10) -> bytes:
        """Send bytes as they are and return all that comes back until the end or `wait` seconds of silence."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            for part in parts:
                connection.sendall(part)
            received = b""
            try:
                while chunk := connection.recv(65_536):
                    received += chunk
            except TimeoutError:
                pass
            return received

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/health", auth=None).status == 200
        except OSError:
            return False


def until(
    condition: Callable[[], Any], *, seconds: float = 10, about: Callable[[], str] = lambda: ""
) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {about()}"
        time.sleep(0.02)


def store_all(api: Api, *, page_size: int = 1000) -> list[str]:
    """Do what a worker does with everything in the journal: store it, then take it out. Return the ids."""
    redis = client.connect(api.redis_url)
    journal = Journal(redis)
    found = {key.decode(): raw for key, raw in redis.hgetall("journal").items()}
    members = [Entry.decode(raw) for raw in found.values()]
    if members:
        now = SystemClock().now_ms()
        api.database.run(
            lambda session: store_group(session, members, now_ms=now, push_after_s=30, page_size=page_size)
        )
        journal.done(list(found))
    redis.close()
    return list(found)


def give_one_up(api: Api) -> None:
    """Accept one, and do what a worker does with it after the last attempt."""
    id = api.post("/v1/notifications", {"to": {"users": ["zoe"]}, "event": "order.paid"}).json["id"]
    redis = client.connect(api.redis_url)
    journal = Journal(redis)
    entry, now = Entry.decode(journal.raw([id])[0] or b""), SystemClock().now_ms()
    api.database.run(
        lambda session: store_failed(session, entry, error="DataError: bad value", attempts=8, now_ms=now)
    )
    journal.done([id])
    redis.close()
