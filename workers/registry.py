"""Every job by name, with the type of its arguments and the function that does it.

A test holds this table to shared/protocol/jobs.py: a job that can be enqueued and is not here would be thrown away.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.protocol import jobs as protocol
from shared.protocol.jobs import Job, JobArgs
from workers.deps import Deps
from workers.jobs import (
    cancel,
    connections,
    deliver,
    due,
    expire,
    fire,
    mark,
    page,
    presence,
    publish,
    purge,
    receipts,
    reconcile,
    release,
    replay,
    send,
    sync,
)
from workers.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Spec:
    """One job. `run` gets arguments of type `args`."""

    args: type[JobArgs]
    run: Callable[[Deps, Any], Outcome]


JOBS: dict[Job, Spec] = {
    Job.DELIVER: Spec(protocol.Deliver, deliver.run),
    Job.PAGE: Spec(protocol.Page, page.run),
    Job.PUBLISH: Spec(protocol.Publish, publish.run),
    Job.DUE: Spec(protocol.Due, due.run),
    Job.SEND: Spec(protocol.Send, send.run),
    Job.RELEASE: Spec(protocol.Release, release.run),
    Job.RECEIPTS: Spec(protocol.Receipts, receipts.run),
    Job.MARK: Spec(protocol.Mark, mark.run),
    Job.REPLAY: Spec(protocol.Replay, replay.run),
    Job.SYNC: Spec(protocol.Sync, sync.run),
    Job.RECONCILE: Spec(protocol.Reconcile, reconcile.run),
    Job.EXPIRE: Spec(protocol.Expire, expire.run),
    Job.PURGE: Spec(protocol.Purge, purge.run),
    Job.FIRE: Spec(protocol.Fire, fire.run),
    Job.CANCEL: Spec(protocol.Cancel, cancel.run),
    Job.PRESENCE: Spec(protocol.Presence, presence.run),
    Job.CONNECTIONS: Spec(protocol.Connections, connections.run),
}
