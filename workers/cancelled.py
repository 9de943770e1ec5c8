"""What was cancelled while it was on its way: in the journal, or between the commit and the publish.

A tombstone in the journal is looked at when an entry is taken, and once more when it is taken out after the commit;
nobody can leave one after that. What is stored and cancelled before somebody notes that it was published is taken back
again: the frames may have gone out after everybody was told that it is gone.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from shared import logs
from shared.ids import is_uuid7
from shared.protocol.jobs import Cancel
from shared.protocol.journal import Entry
from shared.redis.tombstones import Receivers, Tombstone
from shared.services.cancellations import ToEveryone
from shared.store import pages, publishing, retractions
from workers.deps import Deps

log = logs.get(__name__)

SECONDS = 2.0
"""A worker that stores does not take back for longer; a job goes on."""
FORGET_MS = 15_000
"""A tombstone by key is looked at after so long."""
IDS_READ_MAX = 50_000
"""With more in the journal than that nobody looks which of them is the oldest."""


def apply(deps: Deps, entries: Sequence[Entry]) -> None:
    """Cancel those of these stored entries that have a tombstone. Raises RedisUnavailable."""
    for id, users in deps.tombstones.of(entries).items():
        _cancel(deps, id, users)
    deps.tombstones.drop(deps.tombstones.of_ids(entry.id for entry in entries))


def sweep(deps: Deps) -> int:
    """Do what tombstones say that nobody has done, and drop them; how many. Raises RedisUnavailable."""
    found = deps.tombstones.all()
    waiting = deps.tombstones.waiting([one.id for one in found if one.id])
    done = [one for one in found if one.id and one.id not in waiting]
    for one in done:
        for word in one.words:
            _cancel(deps, one.id, word.users)
    for one in _over(deps, [one for one in found if one.key]):
        _cancel_key(deps, one)
        done.append(one)
    return deps.tombstones.drop(done)


def tell_late(deps: Deps, ids: Sequence[str]) -> int:
    """Take back once more those of `ids` that were cancelled before they were marked as published; how many were not
    marked. Raises RedisUnavailable."""
    with deps.database.session() as session:
        late = retractions.late(session, ids)
    for id in late:
        deps.cancellations.tell_again(id)
    now_ms = deps.clock.now_ms()
    return deps.database.run(lambda session: publishing.mark_late(session, late, now_ms)) if late else 0


def tell_released(deps: Deps, ids: Sequence[str], users: Sequence[str]) -> None:
    """Take back once more what was cancelled between its release to these users and its publish."""
    with deps.database.session() as session:
        late = retractions.late(session, ids)
    for id in late:
        deps.cancellations.tell_again(id, users)


def end_pages(deps: Deps, id: str, numbers: Sequence[int]) -> bool:
    """Take back once more from those on these pages, and mark them; whether the last was among them.

    Raises RedisUnavailable.
    """
    with deps.database.session() as session:
        names = retractions.names_on_pages(session, id, numbers)
    if names:
        deps.cancellations.tell_again(id, names)
    now_ms = deps.clock.now_ms()

    def end(session: Session) -> bool:
        pages.lock_notification(session, id)
        return pages.end_pages(session, id, numbers, now_ms)

    return deps.database.run(end)


def _cancel(deps: Deps, id: str, users: Receivers) -> None:
    try:
        found = deps.cancellations.cancel(None, id, users)
    except ToEveryone:
        # By key, for some users: what goes to everyone is not meant.
        return
    if found is None or users is not None:
        return
    if found.failed:
        deps.journal.forget([id])
    after = deps.cancellations.go_on(id, seconds=SECONDS) if found.left else None
    if after is not None:
        deps.queue.enqueue(Cancel(ids=[id], after=after))


def _over(deps: Deps, keyed: Sequence[Tombstone]) -> Iterable[Tombstone]:
    """Of tombstones by key, those that nothing in the journal is old enough for."""
    now_ms = deps.clock.now_ms()
    old = [one for one in keyed if max(word.at for word in one.words) < now_ms - FORGET_MS]
    if not old or deps.journal.depth()[0] > IDS_READ_MAX:
        return []
    oldest = deps.tombstones.oldest_waiting()
    if oldest is None or not is_uuid7(oldest):
        return old if oldest is None else []
    # The first 48 bits of an id are when it was accepted.
    accepted_at = int(oldest.replace("-", "")[:12], 16)
    return [one for one in old if max(word.at for word in one.words) < accepted_at]


def _cancel_key(deps: Deps, one: Tombstone) -> None:
    """Cancel once more what is stored of a key."""
    for word in one.words:
        ids = [""]
        while ids:
            after = ids[-1] or None
            ids = deps.cancellations.of_key(one.app, one.key, until_ms=word.at, after=after, users=word.users)
            for id in ids:
                _cancel(deps, id, word.users)
