"""Tombstones: what was cancelled before it was stored. Written by the api, read by workers with the entries.

A field of `journal:cancelled` is `i id`, or `k app key`; its value are words, a line each: the instant (epoch ms) up to
which it counts, and the users as JSON, null for all. There are few or none; workers look only where the scripts of the
journal say that there are any.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
import redis

from shared.protocol.journal import Entry
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Script

FIELDS_MAX: Final = 10_000
BYTES_MAX: Final = 16 << 20
FIELD_BYTES_MAX: Final = 256 << 10

Receivers = frozenset[str] | None
"""Whose deliveries are cancelled; None: everybody's."""


class Buried(StrEnum):
    """What became of a word: `gone`: there is nothing in the journal that it could be about."""

    WRITTEN = "written"
    KNOWN = "known"
    GONE = "gone"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Word:
    """Who is cancelled of what was accepted until `at`, epoch milliseconds."""

    at: int
    users: Receivers


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A field: by `id`, or by `app` and `key`. `field` and `raw` are what it is dropped by."""

    field: str
    raw: bytes
    words: tuple[Word, ...]
    id: str = ""
    app: str = ""
    key: str = ""


class Tombstones:
    """Adapter of the hash of tombstones."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._cancel = Script("journal_cancel")
        self._uncancel = Script("journal_uncancel")

    def by_id(self, id: str, at: int, users: Receivers) -> Buried:
        """Leave word on one entry, if it is still in the journal. Raises RedisUnavailable."""
        return self._write(_by_id(id), at, users, id=id, anyhow=False)

    def by_key(self, app: str, key: str, at: int, users: Receivers, *, anyhow: bool = False) -> Buried:
        """Leave word on all entries of a cancel key accepted until `at`; `anyhow`: also if nothing is in the journal.

        Raises RedisUnavailable.
        """
        return self._write(_by_key(app, key), at, users, id="", anyhow=anyhow)

    def of(self, entries: Sequence[Entry]) -> dict[str, Receivers]:
        """Who is cancelled of each of these entries; entries without a word are left out. Raises RedisUnavailable."""
        fields = dict.fromkeys(field for entry in entries for field in _fields(entry))
        if not fields:
            return {}
        with guarded():
            values: Any = self._client.hmget(keys.JOURNAL_CANCELLED, list(fields))
        words = {field: _words(raw) for field, raw in zip(fields, values, strict=True) if raw is not None}
        found = {entry.id: _receivers(entry, words) for entry in entries}
        return {id: users for id, users in found.items() if users is None or users}

    def all(self) -> list[Tombstone]:
        """Every tombstone. Raises RedisUnavailable."""
        with guarded():
            found: Any = self._client.hgetall(keys.JOURNAL_CANCELLED)
        return [_read(field.decode(), raw) for field, raw in found.items()]

    def of_ids(self, ids: Iterable[str]) -> list[Tombstone]:
        """The tombstones of these ids. Raises RedisUnavailable."""
        fields = [_by_id(id) for id in ids]
        with guarded():
            found: Any = self._client.hmget(keys.JOURNAL_CANCELLED, fields) if fields else []
        return [_read(field, raw) for field, raw in zip(fields, found, strict=True) if raw is not None]

    def drop(self, tombstones: Sequence[Tombstone]) -> int:
        """Drop these, except what changed since it was read; how many. Raises RedisUnavailable."""
        args: list[str | bytes] = []
        for one in tombstones:
            args += (one.field, one.raw)
        names = [keys.JOURNAL_CANCELLED, keys.JOURNAL_CANCELLED_BYTES]
        return int(self._uncancel.run(self._client, names, args)) if args else 0

    def oldest_waiting(self) -> str | None:
        """The id that was accepted first of what is in the journal. Reads all ids. Raises RedisUnavailable."""
        with guarded():
            ids: Any = self._client.hkeys(keys.JOURNAL)
        return min((id.decode(errors="replace") for id in ids), default=None)

    def waiting(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are in the journal. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for id in ids:
                pipeline.hexists(keys.JOURNAL, id)
            found = pipeline.execute() if ids else []
        return {id for id, there in zip(ids, found, strict=True) if there}

    def _write(self, field: str, at: int, users: Receivers, *, id: str, anyhow: bool) -> Buried:
        word = f"{at} {orjson.dumps(None if users is None else sorted(users)).decode()}"
        names = [keys.JOURNAL, keys.JOURNAL_CANCELLED, keys.JOURNAL_CANCELLED_BYTES]
        args: list[str | bytes | int] = [field, word, int(users is None), id, int(anyhow)]
        args += (FIELDS_MAX, BYTES_MAX, FIELD_BYTES_MAX)
        return Buried(self._cancel.run(self._client, names, args).decode())


def _by_id(id: str) -> str:
    return f"i {id}"


def _by_key(app: str, key: str) -> str:
    # The name of an app holds no space.
    return f"k {app} {key}"


def _fields(entry: Entry) -> Iterable[str]:
    yield _by_id(entry.id)
    if entry.cancel_key is not None:
        yield _by_key(entry.app, entry.cancel_key)


def _words(raw: bytes) -> tuple[Word, ...]:
    words = []
    for line in raw.split(b"\n"):
        at, _, users = line.partition(b" ")
        named = orjson.loads(users)
        words.append(Word(int(at), None if named is None else frozenset(named)))
    return tuple(words)


def _receivers(entry: Entry, words: Mapping[str, Sequence[Word]]) -> Receivers:
    found: set[str] = set()
    by_key = words.get(_by_key(entry.app, entry.cancel_key), ()) if entry.cancel_key is not None else ()
    for word in (*words.get(_by_id(entry.id), ()), *(one for one in by_key if entry.accepted_at <= one.at)):
        if word.users is None:
            return None
        found |= word.users
    return frozenset(found)


def _read(field: str, raw: bytes) -> Tombstone:
    kind, _, rest = field.partition(" ")
    if kind == "i":
        return Tombstone(field, raw, _words(raw), id=rest)
    app, _, key = rest.partition(" ")
    return Tombstone(field, raw, _words(raw), app=app, key=key)
