"""Four processes send and release the same at once, and one of them dies: each is sent once."""

import multiprocessing
import os
import signal
from collections import Counter
from multiprocessing.connection import wait
from typing import Any

import pytest

from shared.db import Database
from shared.store import scheduled
from tests.integration.store.senders import work
from tests.integration.store.support import DAY_MS, NOW, deliveries_of, member, store_and_publish
from tests.integration.store.times import cap, check_numbers, row_of, send

FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.integration.store.senders"])
USERS = [f"user-{number}" for number in range(12)]
LATER = NOW + DAY_MS // 2


def start(url: str, now: int, stop: str | None) -> tuple[Any, Any]:
    pipe, child = FRESH.Pipe()
    process = FRESH.Process(target=work, args=(url, now, child, stop), daemon=True)
    process.start()
    child.close()
    return process, pipe


def run_all(url: str, now: int, stops: list[str | None]) -> list[tuple[list[str], list[tuple[str, int]]]]:
    """What each transaction of all of them did."""
    running = {pipe: process for process, pipe in (start(url, now, stop) for stop in stops)}
    done = []
    while running:
        ready = wait(list(running), timeout=40)
        assert ready, "a process is stuck"
        for pipe in ready:
            word = pipe.recv()
            if word == "stopped":
                os.kill(running[pipe].pid, signal.SIGKILL)
            if word in ("stopped", "done"):
                running.pop(pipe).join(10)
            else:
                done.append(word)
    return done


@pytest.mark.parametrize("stop", ["INSERT INTO notifications", "UPDATE deliveries"])
def test_each_is_sent_once_by_whoever_comes_first(db: Database, stop: str) -> None:
    cap(db, 1, 3600, "hold")
    held = [member(*USERS) for _ in range(4)]
    store_and_publish(db, *held)
    waiting = [
        member(USERS[n % len(USERS)], send_at=NOW + 1000, expires_at=LATER + DAY_MS, priority="critical")
        for n in range(60)
    ]
    store_and_publish(db, *waiting)

    url = db.engine.url.render_as_string(hide_password=False)
    done = run_all(url, LATER, [stop, None, None, None])
    # What the dead one had claimed is due again a minute later.
    rest = send(db, LATER + scheduled.LEASE_MS)

    sent = Counter(id for ids, _ in done for id in ids) + Counter(rest.stored_ids)
    assert sent == Counter(one.id for one in waiting)
    released = Counter(pair for _, pairs in done for pair in pairs)
    assert len(released) == 3 * len(USERS)
    assert set(released.values()) == {1}
    for name in USERS:
        assert len(deliveries_of(db, name)) == 4 + 60 // len(USERS)
        check_numbers(db, name)
    assert {row_of(db, one.id).status for one in waiting} <= {"sending", "sent"}
