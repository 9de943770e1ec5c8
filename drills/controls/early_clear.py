"""A worker that takes entries out of the journal when it reads them, before they are stored."""

from shared.protocol.jobs import Deliver
from workers.celery_app import app
from workers.deps import Deps
from workers.entries import Taken, take_entries
from workers.jobs import deliver

__all__ = ["app"]


def _take_and_clear(deps: Deps, args: Deliver) -> Taken:
    found = take_entries(deps, args)
    deps.journal.done([entry.id for entry in found.entries])
    return found


vars(deliver)["take_entries"] = _take_and_clear
