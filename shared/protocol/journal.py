"""One accepted notification as it stands in the journal: written by the api, read by a worker.

The journal is the record between 202 and the first commit, so an entry holds all that the worker needs.
"""

from dataclasses import dataclass
from typing import Any

import orjson

VERSION = 1
TOPICS_VERSION = 2
"""Of an entry with topics: a worker that knows none would send it to too few, so it must leave it alone."""
OPTIONS_VERSION = 3
"""Of an entry with segments or a time to be sent at, for the same reason."""


_KEYS = ("collapse_key", "cancel_key", "thread_key")


class UnknownEntryVersion(ValueError):
    """The journal holds an entry of a version that this worker does not know; it stays for a newer one."""


# Not frozen: that made building one, once for each notification at either end, take 2.2 instead of 0.8 us.
@dataclass(slots=True, kw_only=True)
class Entry:
    """Nobody changes one. `data_json` and `tags_json` are JSON text; times are epoch milliseconds, `ttl` seconds.

    `retried`: it had failed, and its sender asked for it again; only such an entry takes the place of a failed row.
    `topics`, `segments` and what is excluded of both stand as they were sent; who that is counts when it is stored, or
    when it is sent if that is later: at `send_at`, or at `local_at` (`2026-12-01T09:00:00`) in each recipient's own
    time zone, of which `send_at` is then the first instant anywhere. `reply_to`: a connection, and
    which frame of its client is to be answered when it is published; what an older worker does not know.
    """

    id: str
    app: str
    accepted_at: int
    expires_at: int
    request_id: str
    sender: str
    priority: str
    users: tuple[str, ...]
    everyone: bool
    exclude: tuple[str, ...]
    event: str
    data_json: str
    ttl: int
    collapse_key: str | None = None
    cancel_key: str | None = None
    thread_key: str | None = None
    tags_json: str = "[]"
    retried: bool = False
    topics: tuple[str, ...] = ()
    exclude_topics: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    exclude_segments: tuple[str, ...] = ()
    send_at: int | None = None
    local_at: str | None = None
    reply_to: tuple[str, str | int] | None = None

    def encode(self) -> bytes:
        """The entry as the journal keeps it: a line of JSON, then `data_json` as it is.

        Data inside the JSON would have to be escaped, which took 4 of 5.5 us (2026-11). What says nothing is left out:
        every byte is written to Redis's disk for each notification.
        """
        doc: dict[str, Any] = {
            "v": VERSION,
            "id": self.id,
            "app": self.app,
            "accepted_at": self.accepted_at,
            "expires_at": self.expires_at,
            "request_id": self.request_id,
            "sender": self.sender,
            "priority": self.priority,
            "users": self.users,
            "event": self.event,
            "ttl": self.ttl,
        }
        if self.everyone:
            doc["everyone"] = True
        if self.exclude:
            doc["exclude"] = self.exclude
        for name in _KEYS:
            if (value := getattr(self, name)) is not None:
                doc[name] = value
        if self.tags_json != "[]":
            doc["tags"] = self.tags_json
        if self.retried:
            doc["retried"] = True
        if self.topics or self.exclude_topics:
            doc |= {"v": TOPICS_VERSION, "topics": self.topics, "exclude_topics": self.exclude_topics}
        if self.segments or self.exclude_segments or self.send_at is not None:
            doc |= self._options()
        if self.reply_to is not None:
            doc["reply_to"] = self.reply_to
        return orjson.dumps(doc) + b"\n" + self.data_json.encode()

    def _options(self) -> dict[str, Any]:
        return {
            "v": OPTIONS_VERSION,
            "segments": self.segments,
            "exclude_segments": self.exclude_segments,
            "send_at": self.send_at,
            "local_at": self.local_at,
        }

    @classmethod
    def decode(cls, raw: bytes) -> "Entry":
        """Raises UnknownEntryVersion, or ValueError/KeyError/TypeError for what no api of ours wrote.

        In every version the first line is a JSON object with `v`.
        """
        line, _, data = raw.partition(b"\n")
        doc = orjson.loads(line)
        version = doc["v"]
        if version not in (VERSION, TOPICS_VERSION, OPTIONS_VERSION):
            raise UnknownEntryVersion(f"journal entry version {version!r}")
        if not data:
            raise ValueError("no data")
        get = doc.get
        entry = cls(
            id=doc["id"],
            app=doc["app"],
            accepted_at=doc["accepted_at"],
            expires_at=doc["expires_at"],
            request_id=doc["request_id"],
            sender=doc["sender"],
            priority=doc["priority"],
            users=tuple(doc["users"]),
            everyone=get("everyone", False),
            exclude=tuple(get("exclude", ())),
            event=doc["event"],
            data_json=data.decode(),
            ttl=doc["ttl"],
            collapse_key=get("collapse_key"),
            cancel_key=get("cancel_key"),
            thread_key=get("thread_key"),
            tags_json=get("tags", "[]"),
            retried=get("retried", False),
        )
        if (asked := get("reply_to")) is not None:
            entry.reply_to = (str(asked[0]), asked[1])
        if version != VERSION:
            entry.topics = tuple(get("topics", ()))
            entry.exclude_topics = tuple(get("exclude_topics", ()))
        if version == OPTIONS_VERSION:
            entry.segments = tuple(doc["segments"])
            entry.exclude_segments = tuple(doc["exclude_segments"])
            entry.send_at, entry.local_at = doc["send_at"], doc["local_at"]
        return entry
