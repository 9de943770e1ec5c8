"""Take entries from the journal for a deliver job, and set aside what is no entry."""

from dataclasses import dataclass, field

from shared import logs, metrics
from shared.protocol.jobs import Deliver
from shared.protocol.journal import Entry, UnknownEntryVersion
from shared.redis.tombstones import Receivers
from workers.deps import Deps

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """Entries, and who was cancelled of which of them; None: everybody."""

    entries: list[Entry]
    cancelled: dict[str, Receivers] = field(default_factory=dict)


def take_entries(deps: Deps, args: Deliver) -> Taken:
    """The entries of a job that are still there, in the order asked, then what else of their priority waits.

    An id that is done, or that another job has taken along, is left out.
    """
    settings = deps.settings
    taken = deps.journal.take(
        args.ids,
        now_ms=deps.clock.now_ms(),
        members_max=settings.group_members,
        bytes_max=settings.group_bytes,
        anyhow=args.rescue or args.redelivered,
    )
    entries = [entry for id, raw in taken.entries if (entry := _decode(deps, id, raw)) is not None]
    return Taken(entries, deps.tombstones.of(entries) if taken.cancelled else {})


def _decode(deps: Deps, id: str, raw: bytes) -> Entry | None:
    try:
        entry = Entry.decode(raw)
    except UnknownEntryVersion as error:
        # It stays: a worker of the newer version, running beside this one during a deploy, will take it.
        log.warning("entry_of_newer_version", id=id, error=str(error))
        return None
    except (ValueError, KeyError, TypeError) as error:
        _bury(deps, id, f"unreadable: {type(error).__name__}: {error}")
        return None
    if entry.id != id:
        _bury(deps, id, f"calls itself {entry.id!r}")
        return None
    return entry


def _bury(deps: Deps, id: str, reason: str) -> None:
    log.error("entry_unreadable", id=id, reason=reason)
    if deps.journal.bury(id, reason):
        metrics.dead_letters_total.inc()
