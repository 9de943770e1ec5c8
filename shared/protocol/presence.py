"""The envelope that says that a user came online or went offline; assembled by lua/presence.lua."""

from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Presence:
    """A user is online now, or not any more; `at` is epoch milliseconds of Redis's clock."""

    app: str
    user: str
    online: bool
    at: int


def decode_presence(words: list[str], rest: bytes) -> Presence:
    """The envelope behind its first word. Raises ValueError or KeyError for text that no script of ours wrote."""
    (app,), doc = words, orjson.loads(rest)
    return Presence(app, doc["user"], doc["online"], doc["at"])
