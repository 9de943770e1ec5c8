"""What travels on the Celery queue: names of jobs and queues, and the arguments of each job.

Arguments are ids, never bodies: Flower shows them, and the journal and the database hold the truth.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar


class Queue(StrEnum):
    """Every queue; `worker` consumes the first four, `worker_bulk` the rest (a test compares the Procfile)."""

    CRITICAL = "critical"
    NORMAL = "normal"
    RECEIPTS = "receipts"
    REPLAY = "replay"
    BULK = "bulk"
    MAINTENANCE = "maintenance"


class Job(StrEnum):
    """Every job by its registered name."""

    DELIVER = "bellhop.deliver"
    PAGE = "bellhop.page"
    PUBLISH = "bellhop.publish"
    DUE = "bellhop.due"
    SEND = "bellhop.send"
    RELEASE = "bellhop.release"
    RECEIPTS = "bellhop.receipts"
    MARK = "bellhop.mark"
    REPLAY = "bellhop.replay"
    SYNC = "bellhop.sync"
    RECONCILE = "bellhop.reconcile"
    EXPIRE = "bellhop.expire"
    PURGE = "bellhop.purge"
    FIRE = "bellhop.fire"
    CANCEL = "bellhop.cancel"
    PRESENCE = "bellhop.presence"
    CONNECTIONS = "bellhop.connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArgs:
    """Base of the arguments of a job; `kwargs` is what Celery carries."""

    job: ClassVar[Job]
    queue: ClassVar[Queue]

    def kwargs(self) -> dict[str, Any]:
        """The arguments as JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver(JobArgs):
    """Store and publish journal entries (<= 256), and along with them what else waits. Queue: by priority.

    `rescue`: sent again by the reconciler. `redelivered`: the broker gives it again; a child may have died of it.
    """

    job, queue = Job.DELIVER, Queue.NORMAL
    ids: list[str]
    rescue: bool = False
    redelivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(JobArgs):
    """Store and publish pages (<= 1,000 users each) of a big audience: `pages` of them from `number` on. Queue: as its
    notification, whose `priority` this is."""

    job, queue = Job.PAGE, Queue.NORMAL
    id: str
    number: int
    rescue: bool = False
    pages: int = 1
    priority: str = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(JobArgs):
    """Publish again what is stored and has no published_at."""

    job, queue = Job.PUBLISH, Queue.MAINTENANCE
    ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(JobArgs):
    """Find what is scheduled and due, and have it sent; ticked by beat."""

    job, queue = Job.DUE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(JobArgs):
    """Send scheduled notifications (<= 256) whose time has come. Queue: by priority."""

    job, queue = Job.SEND, Queue.NORMAL
    ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(JobArgs):
    """Release held deliveries whose time has come; ticked by beat."""

    job, queue = Job.RELEASE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts(JobArgs):
    """Drain the acks that nodes merged into Redis."""

    job, queue = Job.RECEIPTS, Queue.RECEIPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(JobArgs):
    """read, seen or archive from a socket; answered to that connection, told to the user's others."""

    job, queue = Job.MARK, Queue.RECEIPTS
    app: str
    user: str
    action: str
    ids: list[str]
    node: str
    connection: str
    ref: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(JobArgs):
    """Read the database for one connection: frames after `me` and `all` (None: from what is not acked)."""

    job, queue = Job.REPLAY, Queue.REPLAY
    app: str
    user: str
    node: str
    connection: str
    attempt: int
    me: int | None
    all: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync(JobArgs):
    """Put the records of users (<= 100) from the database into Redis, then tell the node."""

    job, queue = Job.SYNC, Queue.REPLAY
    app: str
    users: list[str]
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile(JobArgs):
    """Find what fell between two steps and bring it back; ticked by beat."""

    job, queue = Job.RECONCILE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(JobArgs):
    """Mark what outlived its ttl unacked; ticked by beat."""

    job, queue = Job.EXPIRE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge(JobArgs):
    """Delete what its end lies further back than the retention; ticked by beat."""

    job, queue = Job.PURGE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire(JobArgs):
    """Send what schedules are due; ticked by beat."""

    job, queue = Job.FIRE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(JobArgs):
    """Take back what is left of cancelled notifications (<= 1,000), of the first one above the user id `after`."""

    job, queue = Job.CANCEL, Queue.NORMAL
    ids: list[str]
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence(JobArgs):
    """Tell who has left, and write down when they were last here; ticked by beat."""

    job, queue = Job.PRESENCE, Queue.MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections(JobArgs):
    """Write the log of connections that nodes handed to Redis."""

    job, queue = Job.CONNECTIONS, Queue.MAINTENANCE
