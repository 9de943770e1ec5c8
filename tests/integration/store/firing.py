"""A process that fires what is due, as a worker does, at the moments it is told."""

from collections.abc import Sequence
from multiprocessing.connection import Connection

from shared.db import Database
from shared.ids import uuid7
from shared.store.schedule_runs import claim_due


def fire(url: str, moments: Sequence[int], parent: Connection, number: int) -> None:
    """Look at each of the moments, and tell how many runs were made."""
    db = Database(url)
    made = [0]

    def new_id(now_ms: int) -> str:
        made[0] += 1
        return uuid7(now_ms, bytes([number]) + made[0].to_bytes(9, "big"))

    runs = 0
    for now_ms in moments:
        runs += db.run(lambda session, now_ms=now_ms: claim_due(session, now_ms=now_ms, new_id=new_id)).runs
    db.close()
    parent.send(runs)
