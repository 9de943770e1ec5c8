"""What a notification takes of the quotas beyond what was charged when it was accepted: once its recipients are known.

Nothing is refused here, so a quota may be overdrawn; the next ones wait for it, a window at most. Charged after the
commit: a worker that dies in between leaves it uncharged, and a second copy of the job finds nothing new to charge.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from shared import logs
from shared.domain import quotas
from shared.domain.gcra import Policy
from shared.protocol.journal import Entry
from shared.redis.client import RedisUnavailable
from shared.redis.limits import Bucket, Charge, quota_buckets
from shared.store import notifications
from shared.store.notifications import Size
from workers.deps import Deps

log = logs.get(__name__)

Sizes = Mapping[str, Size]


def charge_stored(deps: Deps, entries: Iterable[Entry], stored_ids: Iterable[str]) -> None:
    """Charge what is new in the database and went to others than named users: one Redis call, none if there is none."""
    if _policies(deps) == (None, None):
        return
    new = set(stored_ids)
    # A retried one is sent again under its id, and costs nothing again.
    charged = {
        entry.id: quotas.cost(entry.users)
        for entry in entries
        if entry.id in new and (entry.topics or entry.segments) and not entry.retried
    }
    _charge(deps, charged)


def before_sending(deps: Deps, ids: Sequence[str]) -> Sizes:
    """How big scheduled ones are before they are sent, as far as that may change; empty where no quota is set."""
    if _policies(deps) == (None, None):
        return {}
    try:
        with deps.database.session() as session:
            return notifications.open_sizes(session, ids)
    except SQLAlchemyError:
        # Then nothing is sent now either.
        return {}


def charge_sent(deps: Deps, before: Sizes, stored_ids: Iterable[str]) -> None:
    """Charge what scheduled ones have grown by when they were sent."""
    _charge(deps, {id: max(1, before[id].recipients) for id in stored_ids if id in before})


def _charge(deps: Deps, charged: Mapping[str, int]) -> None:
    """Charge the recipients that these have now, less what was charged before."""
    if not charged:
        return
    try:
        with deps.database.session() as session:
            found = notifications.open_sizes(session, list(charged))
        charges = _charges(_policies(deps), found, charged)
        if charges:
            deps.limits.charge(charges)
    except (RedisUnavailable, SQLAlchemyError) as error:
        # What was sent is sent; a job that fails for this would only be run again.
        log.warning("quota_not_charged", reason=str(error), notifications=len(charged))


def _charges(
    policies: tuple[Policy | None, Policy | None], sizes: Sizes, charged: Mapping[str, int]
) -> list[Charge]:
    due: Counter[Bucket] = Counter()
    for id, size in sizes.items():
        for bucket in quota_buckets(*policies, size.app, size.sender):
            due[bucket] += max(0, size.recipients - charged[id])
    return [Charge(bucket, cost) for bucket, cost in due.items() if cost]


def _policies(deps: Deps) -> tuple[Policy | None, Policy | None]:
    return deps.settings.policy("quota_key"), deps.settings.policy("quota_app")
