"""What travels worker -> node on Redis: the versioned envelope, and the frames that a worker hands over.

The first line says version and kind, the rest depends on the kind. Fragments pass through unparsed; an unknown
version is refused whole. `frames`, `all`, `retract` and `presence` are assembled inside Redis (lua/publish_me.lua,
publish_all.lua, retract.lua, presence.lua); `encode_frames` is a readable twin: a test holds both to the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.protocol.presence import Presence, decode_presence
from shared.protocol.retract import Retract, decode_retract
from shared.protocol.revoke import Revoke, decode_revoke

VERSION = 1


class UnknownEnvelope(ValueError):
    """An envelope of a version or kind that this node does not know."""


@dataclass(frozen=True, slots=True)
class Body:
    """What all receivers of one notification share. `expires_at` is epoch milliseconds."""

    id: str
    request_id: str
    fragment: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Item:
    """One frame of one user's stream; `body` is an index into the bodies."""

    user: str
    seq: int
    prev: int
    body: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The four numbers of an inbox."""

    total: int = 0
    unseen: int = 0
    unread: int = 0
    archived: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A user's stream as the database has it after the commit; `rev` grows with every change of it."""

    user: str
    top: int
    rev: int
    acked: int
    all_acked: int
    own: Counts
    everyone: Counts | None = None
    """Counts of what was sent to everyone, known only where they were asked for, as of `everyone_at`."""
    everyone_at: int = 0


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One notification to everyone; `excluded` are user names."""

    seq: int
    prev: int
    body: Body
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One place of one user's stream."""

    user: str
    seq: int


@dataclass(frozen=True, slots=True)
class AppFrames:
    """All that one transaction made for one app, ready to publish; items of one user stand in `seq` order. What stood
    at the places `gone` is not to be sent again."""

    app: str
    epoch: str
    bodies: Sequence[Body] = ()
    items: Sequence[Item] = ()
    records: dict[str, Record] = field(default_factory=dict)
    broadcasts: Sequence[Broadcast] = ()
    gone: Sequence[Place] = ()


@dataclass(frozen=True, slots=True)
class TailFrame:
    """One place of a stream as the tail or a replay has it. An empty `fragment` is a position: nothing for you here."""

    seq: int
    prev: int
    expires_at: int
    fragment: bytes
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frames:
    """Decoded `frames`: `items` are (user, seq, prev, expires_at, body index); bodies (request_id, fragment)."""

    app: str
    epoch: str
    bodies: list[tuple[bytes, bytes]]
    items: list[tuple[str, int, int, int, int]]


@dataclass(frozen=True, slots=True)
class All:
    """Decoded `all`: one frame of the stream of everyone."""

    app: str
    epoch: str
    frame: TailFrame
    request_id: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A ready frame (reply or error) for one connection."""

    connection: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class State:
    """A ready `state` frame for every connection of a user except the one that caused it."""

    app: str
    user: str
    except_connection: str | None
    frame: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Synced:
    """The records of these users are in Redis now."""

    app: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """The node's word to itself: its subscription hears."""

    number: int


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """A part of what the database had for one connection; `last` closes it. Of an older worker the last three are
    None: the epoch of the numbers, and where the replay of each stream begins."""

    connection: str
    attempt: int
    last: bool
    me: int
    all: int
    recovered: bool
    me_frames: list[TailFrame]
    all_frames: list[TailFrame]
    epoch: str | None = None
    me_since: int | None = None
    all_since: int | None = None


Envelope = Frames | All | Reply | State | Synced | Probe | ReplayPart | Retract | Presence | Revoke


def encode_frames(app: str, epoch: str, bodies: Sequence[Body], items: Sequence[Item]) -> bytes:
    """The twin of what lua/publish_me.lua sends to one node."""
    lines = [f"{VERSION} frames {app} {epoch} {len(bodies)}"]
    lines += [f"{body.request_id} {body.fragment}" for body in bodies]
    lines += [f"{i.seq} {i.prev} {bodies[i.body].expires_at} {i.body} {i.user}" for i in items]
    return "\n".join(lines).encode()


def encode_all(app: str, epoch: str, broadcast: Broadcast) -> bytes:
    """The twin of what lua/publish_all.lua sends to each node."""
    b = broadcast
    excluded = orjson.dumps(b.excluded).decode()
    head = f"{VERSION} all {app} {epoch} {b.seq} {b.prev} {b.body.expires_at}"
    return f"{head}\n{excluded}\n{b.body.request_id} {b.body.fragment}".encode()


def encode_reply(connection: str, frame: dict[str, Any]) -> bytes:
    """A `reply` or `error` frame for one connection."""
    return f"{VERSION} reply {connection}\n".encode() + orjson.dumps(frame)


def encode_state(app: str, user: str, frame: dict[str, Any], except_connection: str | None) -> bytes:
    """A `state` frame for the user's connections on one node."""
    doc = {"user": user, "except": except_connection, "frame": frame}
    return f"{VERSION} state {app}\n".encode() + orjson.dumps(doc)


def encode_synced(app: str, users: Sequence[str]) -> bytes:
    """The answer to a `sync` job."""
    return "\n".join([f"{VERSION} synced {app}", *users]).encode()


def encode_probe(number: int) -> bytes:
    """The node's word to itself."""
    return f"{VERSION} probe {number}".encode()


def encode_replay(part: ReplayPart) -> bytes:
    """One part of a replay; keep it under 256 KiB."""
    names = ("me", "all", "recovered", "epoch", "me_since", "all_since")
    doc = orjson.dumps({name: getattr(part, name) for name in names})
    lines = [f"{VERSION} replay {part.connection} {part.attempt} {int(part.last)}".encode(), doc]
    for letter, frames in ((b"m", part.me_frames), (b"a", part.all_frames)):
        lines += [b"%b %d %d %d %b" % (letter, f.seq, f.prev, f.expires_at, f.fragment) for f in frames]
    return b"\n".join(lines)


def decode(raw: bytes) -> Envelope:
    """The envelope in `raw`. Raises UnknownEnvelope, or ValueError for text that no worker of ours wrote."""
    first, _, rest = raw.partition(b"\n")
    version, kind, *words = f"{first.decode()} ".split(" ")
    if version != str(VERSION) or kind not in _DECODERS:
        raise UnknownEnvelope(f"envelope {version!r} {kind!r}")
    return _DECODERS[kind](words[:-1], rest)


def _frames(words: list[str], rest: bytes) -> Frames:
    app, epoch, count = words
    lines = rest.split(b"\n")
    bodies = []
    for line in lines[: int(count)]:
        request_id, _, fragment = line.partition(b" ")
        bodies.append((request_id, fragment))
    items = []
    for line in lines[int(count) :]:
        seq, prev, expires_at, body, user = line.split(b" ", 4)
        items.append((user.decode(), int(seq), int(prev), int(expires_at), int(body)))
    return Frames(app, epoch, bodies, items)


def _all(words: list[str], rest: bytes) -> All:
    app, epoch, seq, prev, expires_at = words
    excluded, _, line = rest.partition(b"\n")
    request_id, _, fragment = line.partition(b" ")
    frame = TailFrame(int(seq), int(prev), int(expires_at), fragment, tuple(orjson.loads(excluded)))
    return All(app, epoch, frame, request_id)


def _state(words: list[str], rest: bytes) -> State:
    doc = orjson.loads(rest)
    return State(words[0], doc["user"], doc["except"], doc["frame"])


def _replay(words: list[str], rest: bytes) -> ReplayPart:
    connection, attempt, last = words
    head, *lines = rest.split(b"\n")
    doc = orjson.loads(head)
    frames: dict[bytes, list[TailFrame]] = {b"m": [], b"a": []}
    for line in lines:
        letter, seq, prev, expires_at, fragment = line.split(b" ", 4)
        frames[letter].append(TailFrame(int(seq), int(prev), int(expires_at), fragment))
    numbers = (doc["me"], doc["all"], doc["recovered"])
    begins = (doc.get("epoch"), doc.get("me_since"), doc.get("all_since"))
    return ReplayPart(connection, int(attempt), last == "1", *numbers, frames[b"m"], frames[b"a"], *begins)


_DECODERS: dict[str, Callable[[list[str], bytes], Envelope]] = {
    "frames": _frames,
    "all": _all,
    "reply": lambda words, rest: Reply(words[0], rest),
    "state": _state,
    "synced": lambda words, rest: Synced(words[0], tuple(rest.decode().split("\n"))),
    "probe": lambda words, _: Probe(int(words[0])),
    "replay": _replay,
    "retract": decode_retract,
    "presence": decode_presence,
    "revoke": decode_revoke,
}
