"""Users' streams in Redis: record, tail and presence; written by workers, read by nodes, never by SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson
import redis

from shared.protocol.envelope import Counts, Record, TailFrame
from shared.redis import keys
from shared.redis.client import check, guarded, text
from shared.redis.revocations import NOTHING_AGAINST, Standing, read_standing, revocation_keys
from shared.redis.scripts import Argument, Script

BATCH = 500
"""Users per call of positions and disconnect: about 1 ms of Redis's time."""


@dataclass(frozen=True, slots=True)
class Since:
    """Where a client says it stands; None = it does not say."""

    epoch: str | None = None
    me: int | None = None
    all: int | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """What a connect found. `synced` is False where this run of Redis does not know the record: ask a `sync` job.

    The tails start after `since` where its epoch is right, else after what is acked; whether they reach to `top`
    without a hole is for the caller to see. `counts` is None where a newer notification to everyone is not counted yet.
    """

    synced: bool
    epoch: str | None
    me_top: int
    all_top: int
    rev: int
    acked: int
    all_acked: int
    counts: Counts | None
    me_tail: list[TailFrame]
    all_tail: list[TailFrame]
    standing: Standing = NOTHING_AGAINST


@dataclass(frozen=True, slots=True)
class Tops:
    """How far Redis says that streams are, as (epoch, top); None where it does not know. `run` is its run now."""

    run: str
    all: tuple[str | None, int | None]
    users: list[tuple[str | None, int | None]]


@dataclass(frozen=True, slots=True)
class Tails:
    """Both tails after given positions, with the tops they should reach; tops are None where Redis does not know."""

    epoch: str | None
    me_top: int | None
    all_top: int | None
    me_tail: list[TailFrame]
    all_tail: list[TailFrame]


class Streams:
    """Adapter of the scripts on stream:{app}:{user}; `life` is in seconds. How presence is told is for nodes to say:
    after a `grace` in seconds, and with `everybody` to all nodes instead of those that watch."""

    def __init__(
        self, client: redis.Redis, *, life: int = 900, grace: float = 10, everybody: bool = False
    ) -> None:
        self._client = client
        self._life = life
        self._grace = round(grace * 1000)
        self._everybody = int(everybody)
        self._connect = Script("connect", "presence")
        self._disconnect = Script("disconnect", "presence")
        self._positions = Script("positions", "presence")
        self._put = Script("stream_put")
        self._run_id = Script("run_id")
        self._tops = Script("tops")
        self._tail = Script("tail")
        self._warm = Script("warm")

    def connect(
        self, node: str, users: Sequence[tuple[str, str, Since]], *, sessions: Sequence[str | None] = ()
    ) -> list[Connected]:
        """Register (app, user) on a node and read record and tails, and what stands against the token of each, which
        belongs to its one of `sessions`: in one round trip. Raises RedisUnavailable."""
        calls: list[tuple[list[str], list[Argument]]] = [
            (
                _keys(app, user) + revocation_keys(app, user, session),
                [node, self._life, *_since(since), self._everybody, user],
            )
            for (app, user, since), session in zip_longest(users, sessions)
        ]
        run, *replies = self._connect.run_many(self._client, calls, first=self._run_id)
        return [_connected(reply, run) for reply in replies]

    def disconnect(self, node: str, users: Sequence[tuple[str, str]]) -> None:
        """Take (app, user) off a node. Raises RedisUnavailable."""
        for start in range(0, len(users), BATCH):
            names = [keys.stream(app, user) for app, user in users[start : start + BATCH]]
            self._disconnect.run(self._client, [], [node, self._life, self._grace, *names])

    def positions(self, node: str, users: Sequence[tuple[str, str]]) -> list[tuple[str | None, int | None]]:
        """Renew presence of (app, user) on a node; (epoch, top) of each, None where this run of Redis has no
        record.

        Raises RedisUnavailable.
        """
        found: list[tuple[str | None, int | None]] = []
        for start in range(0, len(users), BATCH):
            names = [keys.stream(app, user) for app, user in users[start : start + BATCH]]
            for epoch, top in self._positions.run(
                self._client, [], [node, self._life, self._everybody, *names]
            ):
                found.append(_top(epoch, top))
        return found

    def tails(self, app: str, user: str, *, me: int, all: int) -> Tails:
        """Both tails after the given positions. Raises RedisUnavailable."""
        epoch, top, app_epoch, app_top, mine, everyones = self._tail.run(
            self._client, _keys(app, user), [me, all]
        )
        return Tails(
            epoch=text(epoch) or text(app_epoch),
            me_top=None if top is None else int(top),
            all_top=None if app_top is None else int(app_top),
            me_tail=[decode_member(raw) for raw in mine],
            all_tail=[decode_member(raw) for raw in everyones],
        )

    def warm(self, app: str, users: str) -> list[str]:
        """Those of some users, a JSON array, for whom somebody may be listening. Whoever is not among them has no
        record here, so that their next connection has the database read.

        Raises RedisUnavailable.
        """
        return [name.decode() for name in self._warm.run(self._client, [], [app, users])]

    def app_top(self, app: str) -> tuple[str | None, int | None]:
        """(epoch, top) of the stream of everyone, None where this run of Redis has none. Raises RedisUnavailable."""
        run, epoch, top, known_by = self._tops.run(self._client, [keys.app(app)], [])
        return _top(epoch, top) if known_by == run else (None, None)

    def tops(self, app: str, users: Sequence[str]) -> Tops:
        """How far the streams of everyone and of these users are, in whatever run of Redis that was written.

        Raises RedisUnavailable.
        """
        names = [keys.app(app), *(keys.stream(app, user) for user in users)]
        run, epoch, top, _, *found = self._tops.run(self._client, names, [])
        return Tops(run.decode(), _top(epoch, top), [_top(*one) for one in found])

    def put(self, app: str, epoch: str, app_top: int, record: Record) -> bool:
        """Put a record; False if Redis has a newer one or the user is cold. Raises RedisUnavailable."""
        return self.put_many(app, epoch, app_top, [record])[0]

    def put_many(
        self, app: str, epoch: str, app_top: int, records: Sequence[Record], *, run: str = ""
    ) -> list[bool]:
        """Put records, in one round trip. `run` is the run of Redis, asked for before the database was read: nodes
        believe a record only in the run that it names. Raises RedisUnavailable."""
        calls = [(_put_keys(app, one), _put_arguments(epoch, app_top, one, run)) for one in records]
        return [bool(wrote) for wrote in self._put.run_many(self._client, calls)]

    def check(self) -> None:
        """Raises RedisUnavailable if Redis cannot be used, whatever a single record holds."""
        check(self._client)

    def forget(self, app: str, user: str) -> None:
        """Drop record and tail, as when a user is erased or an epoch ends; presence stays. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.delete(keys.tail_me(app, user))
            pipeline.hdel(keys.stream(app, user), *RECORD)
            pipeline.execute()


RECORD = (
    "run",
    "epoch",
    "rev",
    "top",
    "acked",
    "all_acked",
    "total",
    "unseen",
    "unread",
    "archived",
    "b_at",
    "bytes",
)
"""The fields of a record that come from the database, and the run they were put in; presence (`nodes`, `online`)
stays."""


def decode_member(raw: bytes) -> TailFrame:
    """A member of a tail: `seq prev expires [excluded]`, a line break, the fragment."""
    head, _, fragment = raw.partition(b"\n")
    seq, prev, expires_at, *excluded = head.split(b" ", 3)
    names = tuple(orjson.loads(excluded[0])) if excluded else ()
    return TailFrame(int(seq), int(prev), int(expires_at), fragment, names)


def _keys(app: str, user: str) -> list[str]:
    return [keys.stream(app, user), keys.tail_me(app, user), keys.app(app), keys.tail_all(app)]


def _top(epoch: bytes, top: bytes) -> tuple[str | None, int | None]:
    return epoch.decode() or None, int(top) if top else None


def _put_keys(app: str, record: Record) -> list[str]:
    return [keys.stream(app, record.user), keys.app(app), keys.tail_me(app, record.user)]


def _put_arguments(epoch: str, app_top: int, record: Record, run: str) -> list[Argument]:
    own, everyone = record.own, record.everyone
    args: list[Argument] = [epoch, app_top, record.rev, record.top, record.acked, record.all_acked]
    args += [own.total, own.unseen, own.unread, own.archived, run]
    if everyone is not None:
        args += [record.everyone_at, everyone.total, everyone.unseen, everyone.unread, everyone.archived]
    return args


def _since(since: Since) -> list[str]:
    return ["" if value is None else str(value) for value in (since.epoch, since.me, since.all)]


def _connected(reply: Any, run: bytes) -> Connected:
    fields, app_epoch, app_top, app_run, mine, everyones, against = reply
    epoch, top, rev, acked, all_acked, *numbers, own_run = fields
    # An earlier run may have lost what was published last: its word is no word of the database.
    synced = rev is not None and app_epoch is not None and epoch == app_epoch and own_run == app_run == run
    return Connected(
        synced=synced,
        epoch=text(app_epoch),
        me_top=int(top or 0),
        all_top=int(app_top or 0),
        rev=int(rev or 0),
        acked=int(acked or 0),
        all_acked=int(all_acked or 0),
        counts=_counts(numbers, int(app_top or 0)) if synced else None,
        me_tail=[decode_member(raw) for raw in mine],
        all_tail=[decode_member(raw) for raw in everyones],
        standing=read_standing(*against),
    )


def _counts(numbers: list[Any], app_top: int) -> Counts | None:
    own, at, everyone = numbers[:4], numbers[4], numbers[5:]
    if app_top and (at is None or int(at) != app_top):
        return None
    return Counts(*(int(a or 0) + int(b or 0) for a, b in zip(own, everyone, strict=True)))
