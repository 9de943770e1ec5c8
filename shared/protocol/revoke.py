"""The envelope `revoke`: whose connections end, because a session or a user was revoked (issue 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Revoke:
    """Connections of `user` that end at once: those of `sessions`, or with None all whose credential was issued before
    `before` (epoch milliseconds; None: whenever it was issued)."""

    app: str
    user: str
    sessions: tuple[str, ...] | None
    before: int | None


def encode_revoke(app: str, user: str, sessions: Sequence[str] | None, before: int | None) -> bytes:
    """What every live node is told. The 1 is the version of all envelopes."""
    doc = {"user": user, "sessions": None if sessions is None else list(sessions), "before": before}
    return f"1 revoke {app}\n".encode() + orjson.dumps(doc)


def decode_revoke(words: list[str], rest: bytes) -> Revoke:
    """From the words of the first line and what follows it. Raises ValueError for what nobody of ours wrote."""
    (app,) = words
    doc = orjson.loads(rest)
    sessions = doc["sessions"]
    return Revoke(app, doc["user"], None if sessions is None else tuple(sessions), doc["before"])
