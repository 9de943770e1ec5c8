"""Drill D28: a flood of sign-ins is turned away within bounds, and time does not tell whose name is known."""

from pathlib import Path

from tests.integration.api.people import register, sign_in
from tests.integration.api.support import Api

FLOOD = 200
HASH_KIB = 19_456


def _memory_kib(pid: int) -> int:
    """The most memory that a process and its children have had so far, of which this is the highest."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    peaks = [
        int(line.split()[1])
        for each in pids
        for line in Path(f"/proc/{each}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(peaks)


def test_a_flood_is_refused_within_bounds_and_everybody_else_is_served(start_api, redis_url) -> None:
    api = start_api(redis_url, BELLHOP_HASHES_WAITING="8")
    register(api, "known")
    before = _memory_kib(api.pid)

    answers = api.together(
        [
            lambda n=n: sign_in(api, "known" if n % 2 else f"unknown {n}", "wrong password")
            for n in range(FLOOD)
        ]
    )

    statuses = [answer.status for answer in answers]
    assert set(statuses) == {401, 429, 503}
    # Of one name ten a minute, at most.
    assert statuses[1::2].count(401) <= 11
    assert all("retry-after" in answer.headers for answer in answers if answer.status != 401)
    # Two hashes at once, and the requests themselves: not 200 hashes.
    assert _memory_kib(api.pid) - before < 8 * HASH_KIB
    assert api.call("GET", "/health", auth=None).status == 200


def test_time_does_not_tell_who_is_known(auth_api: Api) -> None:
    api = auth_api
    register(api, "timed")
    known, unknown = [], []

    for number in range(25):
        known.append(sign_in(api, "timed", "wrong password").seconds)
        unknown.append(sign_in(api, f"nobody {number}", "wrong password").seconds)

    # Without a hash for nobody, an unknown name is answered in a tenth of the time (the control is in tests/unit/auth).
    assert _told_apart(known, unknown) < 0.8


def test_the_measure_tells_apart_what_differs() -> None:
    """The control: without a hash an unknown name takes 5 ms, with one 80."""
    noise = [0.001 * (n % 7) for n in range(25)]

    assert _told_apart([0.08 + each for each in noise], [0.005 + each for each in noise]) == 1
    assert _told_apart([0.08 + each for each in noise], [0.08 + each for each in reversed(noise)]) < 0.8


def _told_apart(some: list[float], others: list[float]) -> float:
    """How often a guess by time is right (from the U of Mann and Whitney): 0.5 tells nothing."""
    wins = sum((one > other) + (one == other) / 2 for one in some for other in others)
    share = wins / (len(some) * len(others))
    return max(share, 1 - share)
