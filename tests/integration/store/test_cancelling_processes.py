"""Several processes that send, cancel and acknowledge the same at once: nobody is left with what is cancelled, each
delivery is counted by one call, and every inbox's numbers are those of its rows."""

import multiprocessing
import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from sqlalchemy import select

from shared.db import Database
from shared.domain.delivery import HIDDEN, OPEN, State
from shared.domain.marks import Marks, Weight, weigh
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store.rows import Member
from tests.integration.store import cancellers
from tests.integration.store.cancellers import Wanted
from tests.integration.store.support import make_id, member

FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.integration.store.cancellers"])
NAMES = [f"user-{number}" for number in range(8)]
SENDERS, GROUPS, MEMBERS = 2, 8, 4


def _plan() -> tuple[list[list[list[Member]]], list[list[Wanted]]]:
    """What each sender stores, and what each of two cancellers cancels: much of it is the other's too."""
    dice = random.Random(11)

    def one() -> Member:
        return member(*dice.sample(NAMES, dice.randint(1, 7)), id=make_id())

    sent = [[[one() for _ in range(MEMBERS)] for _ in range(GROUPS)] for _ in range(SENDERS)]
    cancelled: list[list[Wanted]] = [[], []]
    for group in zip(*sent, strict=True):
        for each in (found for members in group for found in members):
            kind = dice.choice(["keep", "whole", "both", "some", "some and whole"])
            some = tuple(dice.sample(each.users, dice.randint(1, len(each.users))))
            if kind in ("whole", "both", "some and whole"):
                cancelled[0].append((each.id, ()))
            if kind == "both":
                cancelled[1].append((each.id, ()))
            if kind.startswith("some"):
                cancelled[1].append((each.id, some))
    return sent, cancelled


def _run(url: str, sent: list[list[list[Member]]], cancelled: list[list[Wanted]]) -> Counter[str]:
    """All processes to their end; what the cancellers have counted of each notification."""
    work: list[tuple[Any, tuple[Any, ...]]] = [(cancellers.send, (groups,)) for groups in sent]
    work += [(cancellers.cancel, (wanted,)) for wanted in cancelled]
    work += [(cancellers.receive, (NAMES, seed)) for seed in (1, 2)]
    started = []
    for target, arguments in work:
        pipe, child = FRESH.Pipe()
        process = FRESH.Process(target=target, args=(url, *arguments, child), daemon=True)
        process.start()
        child.close()
        started.append((process, pipe, target))
    counted: Counter[str] = Counter()
    try:
        for process, pipe, target in started:
            if target is cancellers.receive:
                pipe.send("enough")
            assert pipe.poll(60), f"{target.__name__} says nothing"
            for id, number in pipe.recv():
                counted[id] += number
            process.join(10)
            assert process.exitcode == 0
    finally:
        for process, _, _ in started:
            process.kill()
    return counted


@pytest.mark.timeout(150)
def test_processes_that_send_cancel_and_acknowledge_agree_in_the_end(db: Database) -> None:
    sent, cancelled = _plan()

    counted = _run(db.engine.url.render_as_string(hide_password=False), sent, cancelled)

    with db.session() as session:
        deliveries = session.execute(select(t.deliveries)).all()
        rows = {row.id: row for row in session.execute(select(t.notifications))}
        streams = {row.user_id: row for row in session.execute(select(t.streams))}
    _check_notifications(rows, deliveries, counted, cancelled)
    _check_streams(streams, deliveries)


def _check_notifications(
    rows: dict[str, Any], deliveries: Any, counted: Counter[str], cancelled: list[list[Wanted]]
) -> None:
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for row in deliveries:
        states[row.notification_id][row.state] += 1
    whole = {id for wanted in cancelled for id, users in wanted if not users}
    for id, row in rows.items():
        assert (row.status == Status.CANCELLED) == (id in whole), row
        missing = row.recipients - sum(states[id].values())
        assert missing == 0 or id in whole, "only of a cancelled one may pages never have been stored"
        if id in whole:
            assert not set(states[id]) & set(OPEN)
            assert row.expired_at is not None
        assert counted[id] == states[id][State.CANCELLED] + missing, (states[id], row)


def _check_streams(streams: dict[int, Any], deliveries: Any) -> None:
    for user_id, stream in streams.items():
        own = [row for row in deliveries if row.user_id == user_id and row.seq is not None]
        assert sorted(row.seq for row in own) == list(range(1, stream.last_seq + 1))
        seen = [row for row in own if row.state not in HIDDEN]
        weight = sum((weigh(Marks(row.seen_at, row.read_at, row.archived_at)) for row in seen), Weight())
        assert (stream.total, stream.unseen, stream.unread, stream.archived) == (
            len(seen),
            weight.unseen,
            weight.unread,
            weight.archived,
        )
