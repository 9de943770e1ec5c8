"""A notification as its sender is told of it: from its row, or from the journal while it is not stored.

Rule P.
"""

from typing import Any

import orjson

from api import instants
from shared.clock import rfc3339
from shared.domain.tally import Tally
from shared.protocol.journal import Entry
from shared.store.notifications import Hop, NotificationRow

Document = dict[str, Any]


def of_row(row: NotificationRow, status: str, counts: dict[str, int] | None, tally: Tally | None) -> Document:
    """All of a row but `data` and the timeline."""
    return {
        "id": row.id,
        "status": status,
        "event": row.event,
        "priority": row.priority,
        "everyone": row.everyone,
        "recipients": row.recipients,
        "counts": counts,
        "counted_at": None if tally is None else rfc3339(tally.counted_at),
        "ttl": row.ttl,
        "accepted_at": instants.write(row.accepted_at),
        "expires_at": instants.write(row.expires_at),
        "send_at": instants.write(row.send_at),
        "local_at": row.local_at,
        "sender": row.sender,
        "request_id": row.request_id,
        "collapse_key": row.collapse_key,
        "cancel_key": row.cancel_key,
        "thread_key": row.thread_key,
        "tags": orjson.Fragment(row.tags),
        "audience": _audience(orjson.loads(row.audience) if row.audience else {}),
    }


def of_entry(entry: Entry, status: str) -> Document:
    """All of an entry of the journal but `data` and the timeline."""
    rest = {
        "topics": entry.topics,
        "segments": entry.segments,
        "exclude_topics": entry.exclude_topics,
        "exclude_segments": entry.exclude_segments,
    }
    return {
        "id": entry.id,
        "status": status,
        "event": entry.event,
        "priority": entry.priority,
        "everyone": entry.everyone,
        "recipients": None,
        "counts": {},
        "counted_at": None,
        "ttl": entry.ttl,
        "accepted_at": rfc3339(entry.accepted_at),
        "expires_at": rfc3339(entry.expires_at),
        "send_at": None if entry.send_at is None else rfc3339(entry.send_at),
        "local_at": entry.local_at,
        "sender": entry.sender,
        "request_id": entry.request_id,
        "collapse_key": entry.collapse_key,
        "cancel_key": entry.cancel_key,
        "thread_key": entry.thread_key,
        "tags": orjson.Fragment(entry.tags_json),
        "audience": _audience(rest),
    }


def whole(summary: Document, data: str, hops: list[Document]) -> Document:
    """One notification with all that is known of it."""
    return {**summary, "data": orjson.Fragment(data), "timeline": hops}


def hop(at: str | None, hop: str, reason: str | None) -> Document:
    """One line of the timeline; `at` is unknown where the journal only kept that it failed."""
    found: Document = {"at": at, "hop": hop}
    return found if reason is None else {**found, "reason": reason}


def hops_of_row(hops: list[Hop]) -> list[Document]:
    """The timeline of a row."""
    return [hop(instants.write(each.at), each.hop, each.reason) for each in hops]


def hops_of_entry(entry: Entry, failed: str | None) -> list[Document]:
    """The timeline of an entry; `failed`: why it could not be stored."""
    at = rfc3339(entry.accepted_at)
    found = [hop(at, "accepted", None)]
    if entry.send_at is not None:
        found.append(hop(at, "scheduled", None))
    return [*found, hop(None, "failed", failed)] if failed else found


def _audience(kept: Document) -> Document | None:
    """What of an audience is not names, spelled as in `to`; None where it is all names."""
    found = {name: list(kept.get(name, ())) for name in ("topics", "segments")}
    out = {name: list(kept.get(f"exclude_{name}", ())) for name in ("topics", "segments")}
    return {**found, "exclude": out} if any((*found.values(), *out.values())) else None
