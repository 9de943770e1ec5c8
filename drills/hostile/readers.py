"""D18, D19: clients that do not read, and pings while the writer is blocked."""

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame
from drills.hostile import raw
from drills.hostile.deaf import Deaf, following
from drills.hostile.target import SETUP, Target, result
from drills.http import Http
from launcher.waiting import wait_for

RECEIVE_BUFFER = 4096
RECEIVE_BUFFERS = range(RECEIVE_BUFFER, 17 * RECEIVE_BUFFER, RECEIVE_BUFFER)
"""Small ones, and not all alike: a hundred clients that are full in the same instant are no load that anybody has."""
BYTES = 200_000
BIG = 50_000
RATE = 5.0
"""250 KB/s to each fill the kernel's buffers and ours within seconds. More would only show how busy the workers are,
who copy each frame into each user's tail."""
TOO_SLOW_S = 15.0
RSS_PER_CLIENT_KIB = 1229
MIB = 1 << 20


def never_reading(frame: Frame) -> Result:
    """The same load twice: to clients that read, then to clients with small buffers that never do."""
    target = Target(frame)
    readers = frame.people(frame["clients"], prefix="reader")
    reading = following(target, readers)
    with _reading([sock for sock, _ in reading.values()]), target.honest() as target.quiet:
        _load(frame, readers, lambda: False, count=frame["notifications"])
    users = frame.people(frame["clients"], prefix="deaf")
    deaf = Deaf(
        following(target, users, receive_buffers=RECEIVE_BUFFERS), lambda: frame.system.log("node", 0)
    )
    before, peaks = target.rss_kib(), [0]

    def over() -> bool:
        peaks.append(target.rss_kib() - before)
        return deaf.all_over() or time.monotonic() - deaf.began >= frame["seconds"]

    with target.honest() as waits:
        deaf.start()
        sent = _load(frame, users, over)
    told = deaf.told()
    deaf.stop()
    return result(
        (f"each told 4008 within {TOO_SLOW_S:g} s", len(told) == len(users) and told[-1] <= TOO_SLOW_S),
        ("less than 1.2 MiB of memory for each", max(peaks) / len(users) < RSS_PER_CLIENT_KIB),
        target.not_hurt(waits),
        clients=len(users),
        told_4008=len(told),
        all_told_s=round(told[-1], 1) if told else None,
        mib_sent_to_each=round(sent * BIG / MIB, 1),
        rss_per_client_kib=round(max(peaks) / len(users)),
        others_p99_ms=waits.p(0.99),
        quiet_p99_ms=target.quiet.p(0.99),
    )


def _load(frame: Frame, users: list[str], over: Callable[[], bool], *, count: int = 1 << 30) -> int:
    """Big notifications to all of them, so many a second, until it is over; how many."""
    http = frame.http(seconds=30.0)
    sent = 0
    while sent < count and not over():
        until = time.monotonic() + 1 / RATE
        _notify(http, users, BIG)
        sent += 1
        frame.pause(max(0.0, until - time.monotonic()))
    http.close()
    return sent


@contextlib.contextmanager
def _reading(socks: list[socket.socket]) -> Iterator[None]:
    """Read everything that comes, and throw it away."""
    poll, over = select.poll(), threading.Event()
    named = {sock.fileno(): sock for sock in socks}
    for number in named:
        poll.register(number, select.POLLIN)

    def read() -> None:
        while not over.is_set():
            for number, _ in poll.poll(100):
                if not named[number].recv(1 << 20):
                    poll.unregister(number)

    thread = threading.Thread(target=read)
    thread.start()
    yield
    over.set()
    thread.join()
    for sock in socks:
        sock.close()


def _notify(http: Http, users: list[str], size: int) -> None:
    body = {"to": {"users": users}, "event": "drill.big", "data": {"text": "x" * size}}
    http.post("/v1/notifications", body)


@dataclass
class Trial:
    """One connection that pings while its reading lags."""

    sock: socket.socket
    data: bytearray
    asked: int = 0
    desync: str = ""
    pongs: list[bytes] = field(default_factory=list)

    def step(self, size: int) -> bool:
        """Ping once, and read a little; False at the end."""
        with contextlib.suppress(OSError):
            if self.asked < 40:  # noqa: PLR2004  # below the limit of pings
                self.sock.send(raw.frame(b"%d" % self.asked, opcode=raw.PING))
                self.asked += 1
            if not select.select([self.sock], [], [], 0.2)[0]:
                return False
            more = self.sock.recv(size)
            self.data += more
            return bool(more)
        return False

    def judge(self) -> None:
        """Parse all that came."""
        try:
            for opcode, payload in raw.frames(bytes(self.data)):
                if opcode == raw.PONG:
                    self.pongs.append(payload)
                elif opcode == raw.TEXT:
                    json.loads(payload)
        except (raw.DesyncError, ValueError) as error:
            self.desync = str(error)[:200]


def pings_while_blocked(frame: Frame) -> Result:
    """More than the kernel takes is under way to each; they ping while they begin to read."""
    target, trials = Target(frame), list[Trial]()
    http = frame.http(seconds=30.0)
    for turn in range(frame["rounds"]):
        user = f"pinger-{turn}"
        some = []
        for _ in range(frame["connections"]):
            sock, heard = raw.signed_in(target.port, target.token(user), receive_buffer=RECEIVE_BUFFER)
            some.append(Trial(sock, bytearray(heard)))
        for _ in range(frame["notifications"]):
            _notify(http, [user], BYTES)
        wait_for(partial(_all_have_input, some), seconds=20.0, interval=0.1)
        frame.pause(1.0)
        for trial in some:
            while trial.step(1 << 16):
                pass
            trial.judge()
            trial.sock.close()
        trials += some
    http.close()
    desyncs = [trial.desync for trial in trials if trial.desync]
    strange = [p for trial in trials for p in trial.pongs if int(p) >= trial.asked]
    most = max(len(trial.pongs) for trial in trials)
    return result(
        ("no stream out of step", not desyncs),
        ("at most one pong for a ping", not strange and most <= max(trial.asked for trial in trials)),
        ("each connection got its bytes", min(len(trial.data) for trial in trials) > MIB),
        trials=len(trials),
        desyncs=len(desyncs),
        pings=sum(trial.asked for trial in trials),
        pongs=sum(len(trial.pongs) for trial in trials),
        mib_read=round(sum(len(trial.data) for trial in trials) / MIB),
        first_desync=desyncs[0] if desyncs else "",
    )


def _all_have_input(trials: list[Trial]) -> bool:
    return all(select.select([trial.sock], [], [], 0)[0] for trial in trials)


DRILLS = (
    Drill(
        name="D18",
        title="clients that never read",
        run=never_reading,
        setup=SETUP,
        default={"clients": 100, "seconds": 40.0, "notifications": 50},
        quick={"clients": 20, "notifications": 20},
        controls=(
            Control(
                name="endless outbox",
                removes="the bound and the deadline of the outbox",
                lines="endless_outbox.procfile",
                breaks="each told 4008",
                parameters={"seconds": 20.0},
            ),
        ),
    ),
    Drill(
        name="D19",
        title="pings while the writer is blocked",
        run=pings_while_blocked,
        setup=Setup(database="sqlite", nodes=1, env={"BELLHOP_OUTBOX_BYTES": str(16 * MIB)}),
        default={"rounds": 10, "connections": 10, "notifications": 40},
        quick={"rounds": 1},
        controls=(
            Control(
                name="pongs beside",
                removes="the one way of all bytes through the outbox",
                lines="pongs_beside.procfile",
            ),
        ),
    ),
)
