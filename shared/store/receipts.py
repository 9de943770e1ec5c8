"""Hop 9 of 9: what users have acknowledged.

An ack is cumulative: it is raised, never lowered, and never beyond what there is. So it may come twice, late or out of
order, and the second time changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from sqlalchemy.orm import Session

from shared.store import apps
from shared.store.bulk import bulk_for
from shared.store.rows import Ack, AckedRange, RaisedAck

ACK_GRACE_MS: Final = 1000
"""How long after its end a notification still counts as delivered when the ack comes: acks travel in batches."""


def apply_acks(session: Session, acks: Iterable[tuple[str, str, int, int]], now_ms: int) -> int:
    """Apply acks (app, user, me, all); how many users moved. Unknown apps and users are ignored."""
    bulk = bulk_for(session)
    wanted = _merged(acks)
    known = {app.name: app for app in apps.list_all(session) if app.name in wanted}
    of_user: dict[int, tuple[Ack, int]] = {}
    for name, app in sorted(known.items()):
        for user, id in bulk.known_users(session, app.id, list(wanted[name])).items():
            of_user[id] = wanted[name][user], app.all_seq
    raised: list[RaisedAck] = []
    ranges: list[AckedRange] = []
    for row in bulk.lock_streams(session, sorted(of_user)) if of_user else []:
        ack, all_top = of_user[row.user_id]
        me, all = max(row.acked, min(ack.me, row.last_seq)), max(row.all_acked, min(ack.all, all_top))
        if row.erased or (me, all) == (row.acked, row.all_acked):
            continue
        raised.append(RaisedAck(row.user_id, me, all))
        if me > row.acked:
            ranges.append(AckedRange(row.user_id, row.acked, me, row.rev + 1))
    if ranges:
        bulk.deliver(session, ranges, now_ms=now_ms, alive_ms=now_ms - ACK_GRACE_MS)
    if raised:
        bulk.raise_acks(session, raised)
    return len(raised)


def _merged(acks: Iterable[tuple[str, str, int, int]]) -> dict[str, dict[str, Ack]]:
    """The highest ack of each user, by app."""
    found: dict[str, dict[str, Ack]] = defaultdict(dict)
    for app, user, me, all in acks:
        was = found[app].get(user, Ack(app, user, 0, 0))
        found[app][user] = Ack(app, user, max(was.me, me), max(was.all, all))
    return found
