"""The frame of a drill: the real system on spare ports, a ledger, a crowd of screens, and a stopwatch for harm.

A drill is written against this and nothing else; what it may touch of the inside (Redis, the database server, a proxy)
is for doing harm, never for the verdict.
"""

import itertools
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from bench import machine
from drills.crowd import SOCKETIO, Crowd, devices_at
from drills.databases import PostgresServer
from drills.drill import Control, Promise, Result
from drills.faultproxy import FaultProxy
from drills.http import Http
from drills.ledger import Ledger, Line, unanswered
from drills.power import Power
from drills.redis_server import RedisServer
from drills.sender import Order, Sender
from drills.verdict import Harm, Verdict, first_shown, flow, judge
from launcher.probe import is_ready
from launcher.system import System
from launcher.waiting import wait_for

OK = 200
LINGER_S = 2.0
"""How long screens are watched for repetitions after everything has arrived."""
EVERYONE, SEVERAL = 0.03, 0.15
"""Shares of mixed orders."""


class Frame:
    """One run of one drill. Made by `drills.opening.opened`, which takes everything down again."""

    def __init__(
        self, folder: Path, parameters: Mapping[str, Any], *, seed: int, control: Control | None
    ) -> None:
        self.folder = folder
        self.parameters = parameters
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311  # a repeatable run, no secret
        self.control = control
        self.ledger = Ledger(f"{folder.name}-{seed}")
        self.harms: list[Harm] = []
        self.system: System
        self.redis: RedisServer
        self.postgres: PostgresServer
        self.power: Power
        self.proxies: dict[str, FaultProxy] = {}
        self.database_url = ""
        self._closing = ExitStack()
        self._crowds: list[Crowd] = []
        self._senders: list[Sender] = []

    def __getitem__(self, name: str) -> Any:
        """A parameter of this run."""
        return self.parameters[name]

    # People and load

    def people(self, count: int, *, prefix: str = "user") -> list[str]:
        """Names of users."""
        return [f"{prefix}-{n}" for n in range(count)]

    def watch(
        self,
        users: Sequence[str],
        *,
        through: Sequence[FaultProxy] = (),
        seconds: float = 120.0,
        socketio: bool = False,
    ) -> Crowd:
        """A device for each user, half of them beginning at the first node, half at the second; all online.

        `through` are proxies before the nodes, see `proxies_before_nodes`; `socketio` devices are npm's clients.
        """
        last = self.system.settings.nodes
        nodes = [urlsplit(self.system.url("node", n)).port or 0 for n in range(last)]
        ports = [proxy.port for proxy in through] or nodes
        tokens = {user: self.system.token(user, ttl=86_400) for user in users}
        client = SOCKETIO if socketio else "reference"
        if self.control and self.control.client.startswith(SOCKETIO) == socketio:
            client = self.control.client
        devices = devices_at(ports, tokens, first=last, socketio=socketio)
        crowd = Crowd(self.folder / f"crowd-{len(self._crowds)}", devices, client=client)
        self._crowds.append(crowd)
        crowd.start()
        if not crowd.await_online(seconds):
            raise TimeoutError(f"only {crowd.online()} of {len(users)} devices came online")
        return crowd

    def http(self, *, seconds: float = 15.0) -> Http:
        """A backend with the development API key."""
        return Http(self.system.url("api"), self.system.api_key, seconds=seconds)

    def send(
        self,
        orders: Iterator[Order],
        *,
        rate: float,
        count: int | None = None,
        threads: int = 4,
        batch: int = 1,
    ) -> Sender:
        """Begin to send; see `one_each` and `anybody` for orders."""
        sender = Sender(self.ledger, self.http, orders, rate=rate, count=count, threads=threads, batch=batch)
        self._senders.append(sender)
        return sender

    def anybody(self, users: Sequence[str], **fields: Any) -> Iterator[Order]:
        """Orders for one user each, chosen by the seed, without end."""
        while True:
            yield (self.random.choice(users),), fields

    def mixed(self, users: Sequence[str], **fields: Any) -> Iterator[Order]:
        """Orders as life has them: mostly one user, sometimes a few, now and then everyone; without end."""
        while True:
            chance = self.random.random()
            if chance < EVERYONE:
                yield None, fields
            else:
                yield (
                    tuple(self.random.sample(users, 1 if chance < 1 - SEVERAL else min(3, len(users)))),
                    fields,
                )

    def one_each(self, users: Sequence[str], **fields: Any) -> Iterator[Order]:
        """Orders for each user in turn, without end."""
        for user in itertools.cycle(users):
            yield (user,), fields

    # Harm

    def proxies_before_nodes(self) -> list[FaultProxy]:
        """A fault proxy before each node, for connections of clients."""
        found = []
        for index in range(self.system.settings.nodes):
            proxy = FaultProxy(urlsplit(self.system.url("node", index)).port or 0)
            self._closing.callback(proxy.close)
            found.append(proxy)
        return found

    @contextmanager
    def harm(self, what: str) -> Iterator[None]:
        """Note when a fault began and ended; recovery is counted from its end."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.harms.append(Harm(what, began, time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Let the load run on."""
        time.sleep(seconds)

    @contextmanager
    def frozen(self, name: str, index: int = 0) -> Iterator[None]:
        """Keep a process and its children from running for a while, without ending them."""
        pids = machine.descendants(self.system.pid(name, index))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def between(self, least: float, most: float) -> None:
        """Let the load run on for a time that the seed chooses."""
        time.sleep(self.random.uniform(least, most))

    def ready(self, name: str, index: int = 0, *, seconds: float = 90.0) -> bool:
        """Wait until one process answers that it is ready."""
        port = urlsplit(self.system.url(name, index)).port or 0
        return wait_for(lambda: is_ready("127.0.0.1", port, "/readiness"), seconds=seconds, interval=0.1)

    # The end

    def settle(self, seconds: float, *, linger: float = LINGER_S) -> bool:
        """Wait until nothing accepted is missing on any screen, then a little longer for what comes twice."""
        whole = wait_for(lambda: self.missing() == 0, seconds=seconds, interval=0.25)
        time.sleep(linger)
        return whole

    def missing(self) -> int:
        """How many accepted notifications are not on a screen that should show them, now."""
        return sum(1 for _ in self._missing())

    def missing_numbers(self) -> set[int]:
        """The numbers of those."""
        return set(self._missing())

    def _missing(self) -> Iterator[int]:
        everyone: set[int] = set()
        named: dict[str, set[int]] = defaultdict(set)
        for line in self.ledger.accepted():
            for user in line.users or ():
                named[user].add(line.number)
            if line.users is None:
                everyone.add(line.number)
        for crowd in self._crowds:
            for device, seen in crowd.seen().items():
                yield from (everyone | named.get(seen.user, set())) - crowd.numbers(device)

    def at(self, name: str, index: int = 0) -> Http:
        """A caller of one process, for what it tells of itself."""
        return Http(self.system.url(name, index), self.system.api_key)

    def await_hop(self, hop: str, *, after: int, seconds: float) -> bool:
        """Wait until `GET /v1/notifications/{id}` tells this hop of all that was accepted after the first `after`."""
        wanted = self.ledger.accepted()[after:]
        return wait_for(lambda: self.followed(wanted)[hop] == len(wanted), seconds=seconds, interval=1.0)

    def all_screens_show_one_of(self, numbers: Collection[int]) -> bool:
        """Whether each device that one of these lines is for shows at least one of them."""
        wanted = set(numbers)
        due = {user for number in wanted for user in self.ledger.lines[number].users or ()}
        found = [
            (device, seen.user)
            for crowd in self._crowds
            for device, seen in crowd.seen().items()
            if seen.user in due
        ]
        crowds = {device: crowd for crowd in self._crowds for device in crowd.devices()}
        return bool(found) and all(crowds[device].numbers(device) & wanted for device, _ in found)

    def followed(self, lines: Sequence[Line] | None = None) -> Counter[str]:
        """What `GET /v1/notifications/{id}` says of these lines, or of everything accepted: each status and hop, and
        how often."""
        found: Counter[str] = Counter()
        http = self.http()
        for line in self.ledger.accepted() if lines is None else lines:
            answer = http.get(f"/v1/notifications/{line.id}")
            if answer.status != OK:
                found[f"answer {answer.status}"] += 1
                continue
            found[str(answer.body["status"])] += 1
            found.update({hop["hop"] for hop in answer.body["timeline"]})
        http.close()
        return found

    def verdict(self) -> Verdict:
        """Ledger against screens, as of now."""
        screens = [screen for crowd in self._crowds for screen in crowd.screens()]
        return judge(self.ledger.asked(), screens, self.harms)

    def flow_s(self) -> float | None:
        """The longest time from the end of a harm until something asked for afterwards was on a screen."""
        screens = [screen for crowd in self._crowds for screen in crowd.screens()]
        return flow(self.ledger.asked(), first_shown(screens), self.harms)

    def delays(self, numbers: Collection[int]) -> list[float]:
        """Seconds from the POST to the screen for some lines, in order of length."""
        asked = {line.number: line.asked_at for line in self.ledger.accepted() if line.number in numbers}
        screens = [screen for crowd in self._crowds for screen in crowd.screens()]
        return sorted(max(0.0, at - asked[n]) for (_, n), at in first_shown(screens).items() if n in asked)

    def result(self, *promises: tuple[str, bool], may_lose: bool = False, **figures: Any) -> Result:
        """The result of a drill: the verdict's own promises, the drill's, and what was answered over HTTP.

        `may_lose` leaves it to the drill to say what may be lost.
        """
        verdict = self.verdict()
        always = (
            ("nothing lost", (may_lose or verdict.lost == 0) and verdict.accepted > 0),
            ("nothing shown twice", verdict.repeated == 0),
            ("each stream in order", verdict.reordered == 0),
            ("nothing shown that was not sent", verdict.strange == 0),
            ("api answers 202 or 503, nothing else", self.ledger.unexpected() == 0),
        )
        told = {
            **figures,
            "answers": self.ledger.statuses(),
            "never_accepted": unanswered(list(self.ledger.lines.values())),
            "reloads": sum(crowd.reloads() for crowd in self._crowds),
        }
        return Result(verdict, tuple(Promise(*each) for each in (*always, *promises)), told)

    def close(self) -> None:
        """End senders and screens; the system is ended by whoever opened it."""
        for sender in self._senders:
            sender.stop(0.0)
        for crowd in self._crowds:
            crowd.stop()
        self._closing.close()
        # For whoever looks for a cause: beside what the screens wrote, with the same clock.
        told = {"lines": list(self.ledger.lines.values()), "harms": self.harms}
        (self.folder / "ledger.json").write_bytes(orjson.dumps(told))
