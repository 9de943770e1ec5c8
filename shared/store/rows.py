"""What the store takes and gives: frozen rows that are no database objects any more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from shared.protocol.envelope import AppFrames, Counts, Record
from shared.protocol.journal import Entry

T = TypeVar("T")
CHUNK = 500
"""Values in one IN list: all three databases plan and bind that many without trouble."""


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """`values` in slices of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


Member = Entry
"""One accepted notification on its way into the database is what the journal holds: copying it field by field took
3 us each, a twentieth of a group's time."""


@dataclass(frozen=True, slots=True, order=True)
class PageRef:
    """A page that waits to be stored or published."""

    notification_id: str
    number: int
    priority: str


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """What one transaction did with a group.

    `frames` are to be published and their notifications, `publish_ids`, then marked as published; `pages` are to be
    done one by one. `stored_ids` are new in the database, `already` were there: of those, what is not published yet is
    in `frames` and `pages` again.
    """

    frames: list[AppFrames] = field(default_factory=list)
    publish_ids: list[str] = field(default_factory=list)
    pages: list[PageRef] = field(default_factory=list)
    stored_ids: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)


class NewNotification(NamedTuple):
    """A row of notifications to be inserted; instants are epoch milliseconds."""

    id: str
    app_id: int
    event: str
    data: str
    priority: str
    everyone: bool
    recipients: int
    status: str
    ttl: int
    accepted_at: int
    published_at: int | None
    expires_at: int
    expired_at: int | None
    sender: str
    request_id: str
    collapse_key: str | None
    cancel_key: str | None
    thread_key: str | None
    tags: str


class NewDelivery(NamedTuple):
    """A row of deliveries to be inserted."""

    notification_id: str
    user_id: int
    seq: int | None
    state: str
    rev: int


class Ack(NamedTuple):
    """How far a user has acknowledged both streams."""

    app: str
    user: str
    me: int
    all: int


class RaisedAck(NamedTuple):
    """What a user's stream has acknowledged from now on."""

    user_id: int
    acked: int
    all_acked: int


class AckedRange(NamedTuple):
    """Places (after, upto] of a user's stream that were acknowledged just now."""

    user_id: int
    after: int
    upto: int
    rev: int


class StreamRow(NamedTuple):
    """A row of streams."""

    user_id: int
    last_seq: int
    acked: int
    all_acked: int
    rev: int
    total: int
    unseen: int
    unread: int
    archived: int
    erased: bool

    def advanced(self, new: int) -> "StreamRow":
        """The row after `new` deliveries were added in one transaction."""
        return self._replace(
            last_seq=self.last_seq + new,
            rev=self.rev + 1,
            total=self.total + new,
            unseen=self.unseen + new,
            unread=self.unread + new,
        )

    def record(self, user: str, *, everyone: Counts | None = None, everyone_at: int = 0) -> Record:
        """The row as it goes to Redis."""
        own = Counts(self.total, self.unseen, self.unread, self.archived)
        return Record(user, self.last_seq, self.rev, self.acked, self.all_acked, own, everyone, everyone_at)
