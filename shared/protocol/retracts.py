"""What is taken back from one user: handed by the store to Redis, which tells the user's nodes (envelope `retract`)."""

from dataclasses import dataclass

from shared.protocol.envelope import Counts, Record


@dataclass(frozen=True, slots=True)
class Gone:
    """The place in the user's stream, the record after that, and the counts to tell: the record's own with those of
    what went to everyone."""

    seq: int
    record: Record
    counts: Counts
