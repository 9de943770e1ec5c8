"""Several processes that store for the same users, some of them killed in the middle and started again."""

import multiprocessing
import os
import random
import signal
import threading
from collections import Counter, defaultdict
from multiprocessing.connection import wait
from typing import Any

import pytest
from sqlalchemy import select

from shared.db import Database
from shared.domain.audience import recipients
from shared.models import tables as t
from shared.store.rows import Member
from tests.integration.store.support import make_id, member, to_everyone
from tests.integration.store.writers import COMMIT, write

Groups = list[list[Member]]
Stop = tuple[int, str] | int

WRITERS = 4
GROUPS = 14
NAMES = [f"user-{number}" for number in range(10)]
FRESH = multiprocessing.get_context("forkserver")
"""Children of a server that has imported the store and opened nothing: they inherit no connection and start at once."""
FRESH.set_forkserver_preload(["tests.integration.store.writers"])
STOPS: tuple[Stop, ...] = ((3, "INSERT INTO deliveries"), (5, "UPDATE streams"), (4, COMMIT), 6)
"""Where each writer is killed: with the streams locked, with half of it written, with all of it written; and anywhere
after its sixth group."""


class Writer:
    """A child process that stores groups; killed at its stop, or once it has stored `kill_after`, and started again."""

    def __init__(self, url: str, groups: Groups, stop: Stop) -> None:
        self.url, self.groups, self.stop = url, groups, stop
        self.kills = 0
        self.done = False
        self._start(None if isinstance(stop, int) else stop)

    def _start(self, stop: tuple[int, str] | None) -> None:
        self.pipe, child = FRESH.Pipe()
        self.process = FRESH.Process(target=write, args=(self.url, self.groups, child, stop), daemon=True)
        self.process.start()
        child.close()

    def hear(self) -> None:
        """Take one word of the child: it stopped, it stored a group, or it is done."""
        word = self.pipe.recv()
        if word == "stopped" or (word == self.stop and not self.kills):
            self.kill()
            self.kills += 1
            self._start(None)
        elif word == "done":
            self.done = True
            self.process.join(10)

    def kill(self) -> None:
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(10)


class Reader(threading.Thread):
    """Polls the database and keeps what it sees out of order."""

    def __init__(self, db: Database) -> None:
        super().__init__(daemon=True)
        self.db = db
        self.polls = 0
        self.wrong: list[Any] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            numbers = _numbers(self.db)
            self.wrong += [
                (stream, seqs) for stream, seqs in numbers.items() if seqs != list(range(1, len(seqs) + 1))
            ]
            self.polls += 1
            self.over.wait(0.01)


def _numbers(db: Database) -> dict[Any, list[int]]:
    """The numbers in sight, of each user and of everyone."""
    found: dict[Any, list[int]] = defaultdict(list)
    with db.session() as session:
        d, n = t.deliveries.c, t.notifications.c
        for user, seq in session.execute(select(d.user_id, d.seq).where(d.seq.is_not(None)).order_by(d.seq)):
            found[user].append(seq)
        numbered = select(n.all_seq).where(n.all_seq.is_not(None)).order_by(n.all_seq)
        found["all"] = list(session.scalars(numbered))
    return found


def _jobs() -> list[Groups]:
    """Groups for each writer. Each third group is also the neighbour's, at about the same time."""
    dice = random.Random(7)

    def one(number: int) -> Member:
        if dice.random() < 0.15:
            return to_everyone(*dice.sample(NAMES, 2), id=make_id(number))
        users = dice.sample(NAMES, dice.randint(1, 4))
        return member(*users, exclude=tuple(dice.sample(NAMES, 1)), id=make_id(number))

    numbers = iter(range(10_000, 100_000))
    own = [[[one(next(numbers)) for _ in range(6)] for _ in range(GROUPS)] for _ in range(WRITERS)]
    jobs = [list(groups) for groups in own]
    for writer in range(WRITERS):
        for place in range(0, GROUPS, 3):
            shared = list(own[writer][place])
            dice.shuffle(shared)
            jobs[(writer + 1) % WRITERS].insert(place, shared)
    return jobs


def _check_all_is_there_once(db: Database, members: dict[str, Member]) -> None:
    with db.session() as session:
        names = dict(session.execute(select(t.users.c.id, t.users.c.name)).all())
        d = t.deliveries.c
        stored: dict[str, list[str]] = defaultdict(list)
        for id, user in session.execute(select(d.notification_id, d.user_id)):
            stored[id].append(names[user])
        rows = {row.id: row for row in session.execute(select(t.notifications))}
        streams = {names[row.user_id]: row for row in session.execute(select(t.streams))}
        top = session.scalar(select(t.apps.c.all_seq).where(t.apps.c.name == "main"))
    wanted = {m.id: [] if m.everyone else sorted(recipients(m.users, m.exclude)) for m in members.values()}
    assert set(rows) == set(wanted)
    assert {id: sorted(users) for id, users in stored.items()} == {
        id: users for id, users in wanted.items() if users
    }
    assert all(row.published_at is not None for row in rows.values())
    counts = Counter(user for users in wanted.values() for user in users)
    for user, row in streams.items():
        assert (row.last_seq, row.total, row.unseen, row.unread) == (counts[user],) * 4
    assert top == sum(m.everyone for m in members.values())


@pytest.mark.timeout(120)
def test_numbers_stay_without_gaps_and_in_order_while_writers_are_killed(db: Database) -> None:
    url = db.engine.url.render_as_string(hide_password=False)
    jobs = _jobs()
    reader = Reader(db)
    reader.start()
    writers = [Writer(url, groups, stop) for groups, stop in zip(jobs, STOPS, strict=True)]

    try:
        while waiting := {writer.pipe: writer for writer in writers if not writer.done}:
            ready = wait(list(waiting), timeout=30)
            assert ready, "no writer has said anything for 30 seconds"
            for pipe in ready:
                waiting[pipe].hear()
    finally:
        for writer in writers:
            writer.kill()
        reader.over.set()
        reader.join(10)

    assert [writer.kills for writer in writers] == [1, 1, 1, 1]
    assert reader.wrong == []
    assert reader.polls > 20
    for stream, seqs in _numbers(db).items():
        assert seqs == list(range(1, len(seqs) + 1)), stream
    _check_all_is_there_once(db, {m.id: m for groups in jobs for group in groups for m in group})
