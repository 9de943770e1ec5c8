"""Disabled users, put back into Redis where it lost them: from the database, which has them for good.

Found out by each `sync` for its app, since nodes ask for one as soon as Redis is another, and by each `reconcile` for
all apps, since a token may also come to the api, which looks nowhere else.
"""

from shared import logs
from shared.store import accounts, apps
from workers.deps import Deps

log = logs.get(__name__)


def restore(deps: Deps, app: str | None = None) -> int:
    """Put them back for this app, or for every one, and end their connections; how many there were.

    Raises RedisUnavailable.
    """
    if app is not None and not deps.revocations.unknown([app]):
        return 0
    with deps.database.session() as session:
        known = {row.name: row.id for row in apps.list_all(session) if app in (None, row.name)}
        lost = {
            name: accounts.disabled(session, known[name]) for name in deps.revocations.unknown(sorted(known))
        }
    total = 0
    for name, users in lost.items():
        deps.revocations.put_disabled(name, users)
        for user in users:
            deps.revocations.close(name, user)
        with deps.database.session() as session:
            still = set(accounts.disabled(session, known[name]))
        for user in set(users) - still:
            # Enabled between the reading and the putting back.
            deps.revocations.enable(name, user)
        total += len(users)
    if total:
        log.warning("disabled_users_put_back", users=total)
    return total
