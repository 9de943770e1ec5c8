"""D17: slow handshakes and connections that never say who they are."""

import contextlib
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from drills.drill import Control, Drill, Result
from drills.frame import Frame
from drills.hostile import raw
from drills.hostile.target import SETUP, Target, result

REQUEST = b"GET /ws HTTP/1.1\r\nHost: drill\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
DRIP_S = 5.0
ALL_CLOSED_S = 12.0
HONEST_P99_S = 1.0


class Crowd:
    """Slow sockets: when each began and when the node ended it."""

    def __init__(self) -> None:
        self.began: dict[int, float] = {}
        self.lasted: list[float] = []
        self._open: dict[int, socket.socket] = {}
        self._dripping: dict[int, int] = {}
        self._dripped = time.monotonic()
        self._poll = select.poll()

    def add(self, sock: socket.socket, *, drips: bool = False) -> None:
        """Watch one."""
        number = sock.fileno()
        self._open[number] = sock
        self.began[number] = time.monotonic()
        self._poll.register(number, select.POLLIN)
        if drips:
            self._dripping[number] = 0

    def turn(self) -> int:
        """Look who has been ended, drip where it is time; how many are left."""
        for number, _ in self._poll.poll(50):
            try:
                data = self._open[number].recv(4096)
            except OSError:
                data = b""
            if not data or b"\x88" in data:
                self.lasted.append(time.monotonic() - self.began[number])
                self._poll.unregister(number)
                self._dripping.pop(number, None)
                self._open.pop(number).close()
        if time.monotonic() - self._dripped >= DRIP_S:
            self._dripped = time.monotonic()
            for number, at in self._dripping.items():
                with contextlib.suppress(OSError):
                    self._open[number].send(REQUEST[at : at + 1])
                self._dripping[number] = at + 1
        return len(self._open)

    def close(self) -> None:
        """Give up on who is left."""
        for sock in self._open.values():
            sock.close()


def _honest(port: int, token: str) -> float:
    began = time.monotonic()
    try:
        sock, _ = raw.signed_in(port, token)
    except OSError:
        return float("inf")
    sock.close()
    return time.monotonic() - began


def slowloris(frame: Frame) -> Result:
    """Silent sockets, a byte each five seconds, upgraded without a word; honest clients connect meanwhile."""
    target, crowd = Target(frame), Crowd()
    for _ in range(frame["silent"]):
        crowd.add(raw.connect(target.port))
    for _ in range(frame["dripping"]):
        crowd.add(raw.connect(target.port), drips=True)
    for _ in range(frame["strangers"]):
        sock = raw.connect(target.port)
        raw.upgrade(sock)
        crowd.add(sock)
    with ThreadPoolExecutor(4) as pool:
        honest = [
            pool.submit(_honest, target.port, target.token(f"honest-{n}")) for n in range(frame["honest"])
        ]
        until = time.monotonic() + frame["seconds"]
        while crowd.turn() and time.monotonic() < until:
            pass
        waits = sorted(each.result() for each in honest)
    left = crowd.turn()
    crowd.close()
    p99 = waits[min(len(waits) - 1, int(0.99 * len(waits)))]
    longest = max(crowd.lasted, default=0.0)
    return result(
        (f"all closed within {ALL_CLOSED_S:g} s", left == 0 and longest <= ALL_CLOSED_S),
        (f"honest clients connect, p99 below {HONEST_P99_S:g} s", p99 < HONEST_P99_S),
        slow_sockets=len(crowd.lasted) + left,
        never_closed=left,
        longest_s=round(longest, 2),
        honest=len(waits),
        honest_p99_ms=round(p99 * 1000, 1),
    )


DRILLS = (
    Drill(
        name="D17",
        title="slow handshakes",
        run=slowloris,
        setup=SETUP,
        default={"silent": 500, "dripping": 500, "strangers": 1000, "honest": 100, "seconds": 20.0},
        quick={"silent": 50, "dripping": 50, "strangers": 100, "honest": 20},
        controls=(
            Control(
                name="patient node",
                removes="the deadlines of handshake and sign-in",
                lines="patient_node.procfile",
            ),
        ),
    ),
)
