"""What was revoked before its time: sessions, users' tokens by their age, and disabled users; and telling the nodes.

Written first and told then: a node registers a connection first and looks then, so of both at once one finds the other.
Who is disabled stands in the database, who ended a session too; what is here makes it known to tokens that nobody looks
up. Decisions about a user have numbers, and one that comes late changes nothing that was decided after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import redis

from shared.protocol.revoke import encode_revoke
from shared.redis import keys
from shared.redis.client import guarded, text
from shared.redis.scripts import Argument, Script


@dataclass(frozen=True, slots=True)
class Standing:
    """What Redis knows against a token. `before` is epoch milliseconds."""

    ended: bool = False
    before: int | None = None
    disabled: bool = False

    def allows(self, issued_at: int | None) -> bool:
        """Say whether a token issued then (epoch milliseconds) is still good; one of unknown age is older than any."""
        if self.ended or self.disabled:
            return False
        return self.before is None or (issued_at is not None and issued_at >= self.before)


NOTHING_AGAINST: Final = Standing()
BATCH: Final = 200
"""Decisions in one round trip."""


class Decision(NamedTuple):
    """What was decided about a user: whether to let the user in, and the epoch milliseconds before which no token may
    have been issued (None: nothing about that). A decision that was made later has a higher number."""

    user: str
    number: int
    disabled: bool
    before: int | None


class Revocations:
    """Adapter of revoked:session, revoked:user and disabled; all is remembered for `life` seconds, which has to be
    longer than any token that is accepted lives (the settings' revocation_life)."""

    def __init__(self, client: redis.Redis, *, life: int) -> None:
        self._client = client
        self._life = life
        self._tell = Script("tell_nodes", "tell")
        self._decide = Script("decide", "tell")
        self._run_id = Script("run_id")

    def end_sessions(self, app: str, user: str, sessions: Sequence[str]) -> int:
        """End sessions of a user and their connections; the number of nodes told. Raises RedisUnavailable."""
        if not sessions:
            return 0
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for session in sessions:
                pipeline.set(keys.revoked_session(app, session), b"", ex=self._life)
            pipeline.execute()
        return self._told(encode_revoke(app, user, sessions, None))

    def decide(self, app: str, decisions: Sequence[Decision]) -> int:
        """Take in decisions about users, each unless a later one is known, and end connections; nodes that were told.

        Raises RedisUnavailable.
        """
        told = 0
        for start in range(0, len(decisions), BATCH):
            calls = [self._call(app, decision) for decision in decisions[start : start + BATCH]]
            told += sum(self._decide.run_many(self._client, calls))
        return told

    def _call(self, app: str, new: Decision) -> tuple[list[str], list[Argument]]:
        user, before = new.user, new.before
        names = [
            keys.revoked_decided(app, user),
            keys.disabled(app),
            keys.revoked_user(app, user),
            keys.NODES,
        ]
        args: list[Argument] = [
            new.number,
            int(new.disabled),
            "" if before is None else before,
            self._life,
            user,
        ]
        return names, [*args, encode_revoke(app, user, None, None), encode_revoke(app, user, None, before)]

    def unknown(self, apps: Sequence[str]) -> dict[str, str]:
        """Apps of which this run of Redis may not know all that stands against users, each with the run.

        It is new, was emptied, or started from a disk that lacks what came last. Raises RedisUnavailable.
        """
        if not apps:
            return {}
        run = self._run_id.run(self._client, [], []).decode()
        with guarded():
            found = self._client.mget([keys.revoked_run(app) for app in apps])
        return {app: run for app, known in zip(apps, found, strict=True) if text(known) != run}

    def known(self, app: str, run: str) -> None:
        """What stands against users of the app is here, all of it, as it was found missing in `run`.

        Raises RedisUnavailable.
        """
        with guarded():
            self._client.set(keys.revoked_run(app), run)

    def disabled(self, app: str) -> list[str]:
        """Who is in the set of disabled users, right or wrong. Raises RedisUnavailable."""
        with guarded():
            return sorted(text(name) or "" for name in self._client.smembers(keys.disabled(app)))

    def standing(self, app: str, user: str, session: str | None) -> Standing:
        """What stands against a token of this user and session, in one round trip. Raises RedisUnavailable."""
        return self.standings(app, [(user, session)])[0]

    def standings(self, app: str, tokens: Sequence[tuple[str, str | None]]) -> list[Standing]:
        """The same for many tokens, as (user, session) of one app. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for user, session in tokens:
                before, _, *ended = revocation_keys(app, user, session)
                pipeline.get(before)
                pipeline.sismember(keys.disabled(app), user)
                pipeline.exists(*ended) if ended else pipeline.echo("0")
            found = pipeline.execute()
        return [read_standing(*found[at : at + 3]) for at in range(0, len(found), 3)]

    def _told(self, envelope: bytes) -> int:
        return int(self._tell.run(self._client, [keys.NODES], [envelope]))


def revocation_keys(app: str, user: str, session: str | None) -> list[str]:
    """The keys that may hold something against a token, the last one only if it names a session."""
    found = [keys.revoked_user(app, user), keys.disabled(app)]
    return found if session is None else [*found, keys.revoked_session(app, session)]


def read_standing(before: Any, disabled: Any, ended: Any) -> Standing:
    """What is in them, as Redis answers: the time, whether the user is in the set, whether there is a session's key."""
    return Standing(bool(int(ended)), None if before is None else int(before), bool(disabled))
