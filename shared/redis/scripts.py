"""The Lua scripts: read from lua/ once, run by digest, loaded again where Redis forgot them."""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoScriptError

from shared.redis.client import guarded

Argument = str | bytes | int


class Script:
    """One script, one operation; `name` is its file in lua/, `before` are files of functions that it uses."""

    def __init__(self, name: str, *before: str) -> None:
        self.name = name
        folder = files("shared.redis").joinpath("lua")
        parts = [folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in (*before, name)]
        self.source = "".join(parts)
        self.digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: redis.Redis, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run it in one round trip. Raises RedisUnavailable."""
        with guarded():
            try:
                return client.evalsha(self.digest, len(keys), *keys, *args)
            except NoScriptError:
                return client.eval(self.source, len(keys), *keys, *args)

    def run_many(
        self,
        client: redis.Redis,
        calls: Sequence[tuple[Sequence[str], Sequence[Argument]]],
        *,
        first: "Script | None" = None,
    ) -> list[Any]:
        """Run it once per (keys, args), all in one round trip. Raises RedisUnavailable.

        `first` runs before them, without keys, on the same connection; its answer leads the others'.
        Safe for scripts whose second run changes nothing: after a restart of Redis all calls are sent again.
        """
        with guarded():
            try:
                return self._pipeline(client, calls, first)
            except NoScriptError:
                for script in filter(None, (first, self)):
                    client.script_load(script.source)
                return self._pipeline(client, calls, first)

    def _pipeline(
        self,
        client: redis.Redis,
        calls: Sequence[tuple[Sequence[str], Sequence[Argument]]],
        first: "Script | None",
    ) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        if first is not None:
            pipeline.evalsha(first.digest, 0)
        for keys, args in calls:
            pipeline.evalsha(self.digest, len(keys), *keys, *args)
        return list(pipeline.execute())
