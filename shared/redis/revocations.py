"""What was revoked before its time: sessions, users' tokens by their age, and disabled users; and telling the nodes.

Written first and told then: a node registers a connection first and looks then, so of both at once one finds the other.
Who is disabled stands in the database, who ended a session too; what is here makes it known to tokens that nobody looks
up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from shared.protocol.revoke import encode_revoke
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Script

_ALL: Final = ""
"""Stands in the set of disabled users when all of them do; no user has an empty name."""


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


class Revocations:
    """Adapter of revoked:session, revoked:user and disabled; all is remembered for `life` seconds, which has to be
    longer than any token that is accepted lives (the settings' revocation_life)."""

    def __init__(self, client: redis.Redis, *, life: int) -> None:
        self._client = client
        self._life = life
        self._tell = Script("tell_nodes")

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

    def end_user(self, app: str, user: str, before: int) -> int:
        """End every token of a user issued before (epoch milliseconds), and its connections; the number of nodes told.

        Raises RedisUnavailable.
        """
        with guarded():
            self._client.set(keys.revoked_user(app, user), before, ex=self._life)
        return self._told(encode_revoke(app, user, None, before))

    def disable(self, app: str, user: str, before: int) -> int:
        """Let a user in no more, and end what was issued before and all connections. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.sadd(keys.disabled(app), user)
            pipeline.set(keys.revoked_user(app, user), before, ex=self._life)
            pipeline.execute()
        return self._told(encode_revoke(app, user, None, None))

    def enable(self, app: str, user: str) -> None:
        """Let a user in again, with a newer token. Raises RedisUnavailable."""
        with guarded():
            self._client.srem(keys.disabled(app), user)

    def put_disabled(self, app: str, users: Sequence[str]) -> int:
        """Put back what Redis has lost; how many it did not know. From now on it knows all. Raises RedisUnavailable."""
        with guarded():
            return int(self._client.sadd(keys.disabled(app), *users, _ALL))

    def unknown(self, apps: Sequence[str]) -> list[str]:
        """Apps of which Redis does not know all disabled users: it is new, or was emptied. Raises RedisUnavailable."""
        if not apps:
            return []
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for app in apps:
                pipeline.sismember(keys.disabled(app), _ALL)
            known = pipeline.execute()
        return [app for app, is_known in zip(apps, known, strict=True) if not is_known]

    def close(self, app: str, user: str) -> int:
        """End all connections of a user; the number of nodes told. Raises RedisUnavailable."""
        return self._told(encode_revoke(app, user, None, None))

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
