"""D15, D16: frames made to fill the memory or to hold the node up."""

import contextlib
import select
import socket
import time

from drills.drill import Control, Drill, Result
from drills.frame import Frame
from drills.hostile import raw
from drills.hostile.target import SETUP, Target, result

MIB = 1 << 20
PROTOCOL_ERROR, TOO_BIG = 1002, 1009

BOMBS: dict[str, tuple[bytes, int]] = {
    **{
        f"claims 2^{power}": (b"\x81" + raw.head(1 << power), TOO_BIG if power < 63 else PROTOCOL_ERROR)  # noqa: PLR2004
        for power in (20, 31, 32, 40, 62, 63)
    },
    "unmasked": (b"\x81\x02{}", PROTOCOL_ERROR),
    "reserved bit": (raw.frame(b"x", rsv=4), PROTOCOL_ERROR),
    "reserved opcode": (raw.frame(b"x", opcode=3), PROTOCOL_ERROR),
    "ping of 126 bytes": (raw.frame(b"x" * 126, opcode=raw.PING), PROTOCOL_ERROR),
}


def frame_bombs(frame: Frame) -> Result:
    """Each kind of bomb, again and again, and a real frame of 100 MiB."""
    target = Target(frame)
    target.listen_quietly()
    _round(target, "warm", frame["mib"])
    before, wrong, slowest, peak = target.rss_kib(), [], 0.0, 0
    with target.honest() as waits:
        for turn in range(frame["rounds"]):
            found = _round(target, f"bomber-{turn}", frame["mib"])
            wrong += [f"{name}: {code}" for name, (code, _, good) in found.items() if not good]
            slowest = max(slowest, *(seconds for _, seconds, _ in found.values()))
            peak = max(peak, target.rss_kib() - before)
    return result(
        ("each closed with its code", not wrong),
        (
            "each closed in 100 ms, or five times what others wait",
            slowest <= max(0.1, 5 * waits.p(0.99) / 1000),
        ),
        ("the node grows by less than 1 MiB", peak < 1024),  # noqa: PLR2004
        target.not_hurt(waits),
        bombs=frame["rounds"] * (len(BOMBS) + 1),
        slowest_close_ms=round(slowest * 1000, 1),
        rss_growth_kib=peak,
        others_p99_ms=waits.p(0.99),
        quiet_p99_ms=target.quiet.p(0.99),
        wrong=", ".join(sorted(set(wrong))),
    )


def _round(target: Target, user: str, mib: int) -> dict[str, tuple[int, float, bool]]:
    """Throw each bomb once: code, seconds, and whether the code is right."""
    found = {}
    for name, (data, expected) in BOMBS.items():
        sock, heard = raw.signed_in(target.port, target.token(user))
        with contextlib.closing(sock):
            sock.sendall(data)
            code, seconds = raw.closing(sock, heard, seconds=2.0)
        found[name] = (code, seconds, code == expected)
    sock, heard = raw.signed_in(target.port, target.token(user))
    with contextlib.closing(sock):
        _pour(sock, mib)
        code, seconds = raw.closing(sock, heard, seconds=2.0)
    found["real frame"] = (code, seconds, code == TOO_BIG)
    return found


def _pour(sock: socket.socket, mib: int) -> None:
    """A frame that is as long as it says; until the Close frame is there, or the node hangs up."""
    sock.sendall(b"\x81" + raw.head(mib * MIB))
    until = time.monotonic() + 5.0
    with contextlib.suppress(OSError):
        for _ in range(mib * 16):
            sock.sendall(bytes(MIB // 16))
            if time.monotonic() > until or _closed(sock):
                return


def _closed(sock: socket.socket) -> bool:
    if not select.select([sock], [], [], 0)[0]:
        return False
    return b"\x88" in sock.recv(1 << 16, socket.MSG_PEEK)


def fragment_flood(frame: Frame) -> Result:
    """Fragments without an end: of one byte, of 64 KiB, and one that never gets a second."""
    target = Target(frame)
    target.listen_quietly()
    count = frame["connections"]
    first = raw.frame(b"x", fin=False)
    small = first + raw.frame(b"x", opcode=0, fin=False) * 200
    large = raw.frame(bytes(60_000).replace(b"\0", b"x"), fin=False)
    large += raw.frame(b"x" * 60_000, opcode=0, fin=False) * frame["large"]
    kinds = [small, large, first]
    before, peak, codes, longest = target.rss_kib(), 0, [], 0.0
    with target.honest() as waits:
        began = time.monotonic()
        open_ = [raw.signed_in(target.port, target.token(f"flood-{n}")) for n in range(count)]
        for number, (sock, _) in enumerate(open_):
            sock.settimeout(2.0)
            with contextlib.suppress(OSError):
                sock.sendall(kinds[number % 3])
            peak = max(peak, target.rss_kib() - before)
        for number, (sock, heard) in enumerate(open_):
            code, _ = raw.closing(
                sock, heard, seconds=max(0.5, frame["seconds"] - (time.monotonic() - began))
            )
            codes.append(code == (TOO_BIG if number % 3 < 2 else 4008))  # noqa: PLR2004
            longest = time.monotonic() - began
            peak = max(peak, target.rss_kib() - before)
            sock.close()
    return result(
        ("each closed: 1009 at 64 fragments or 64 KiB, 4008 after 10 s", all(codes)),
        ("the node grows by less than 10 MiB", peak < 10 * 1024),
        target.not_hurt(waits),
        connections=count,
        closed_rightly=sum(codes),
        all_closed_s=round(longest, 1),
        rss_growth_kib=peak,
        others_p99_ms=waits.p(0.99),
        quiet_p99_ms=target.quiet.p(0.99),
    )


_UNBOUNDED = Control(
    name="unbounded frames",
    removes="the parser's bounds and checks",
    lines="unbounded_frames.procfile",
    parameters={"rounds": 1, "mib": 20, "connections": 15},
)

DRILLS = (
    Drill(
        name="D15",
        title="frame bombs",
        run=frame_bombs,
        setup=SETUP,
        default={"rounds": 10, "mib": 100},
        quick={"rounds": 2, "mib": 20},
        controls=(_UNBOUNDED,),
    ),
    Drill(
        name="D16",
        title="fragment flood",
        run=fragment_flood,
        setup=SETUP,
        default={"connections": 50, "large": 20, "seconds": 16.0},
        quick={"connections": 15},
        controls=(_UNBOUNDED,),
    ),
)
