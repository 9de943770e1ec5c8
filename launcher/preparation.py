"""Everything between an environment and the first process: settings, secrets, ports, what is wrong with them.

Collected, not raised one by one: somebody who starts Bellhop should learn of all problems from one attempt.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from launcher import redis_server
from launcher.data_dir import DataDir
from launcher.environment import for_children, with_generated_secrets
from launcher.plan import Process, port_problems
from launcher.ports import free_port, is_free
from shared.config import Settings
from shared.config.loading import inspect


class Preparation:
    """The settings of one system and the environment its processes get."""

    def __init__(self, environ: Mapping[str, str], data_dir: Path) -> None:
        self.data = DataDir(data_dir)
        environ = {**environ, "BELLHOP_DATA_DIR": str(self.data.path)}
        # Read once without secrets: only the development profile gets generated ones.
        if inspect(environ)[0].profile == "development":
            self.data.generate_secrets()
            environ = with_generated_secrets(environ, self.data)
        self._environ = environ
        self.settings: Settings
        self.settings, self._problems = inspect(environ)
        self.embeds_redis = not (environ.get("REDIS_URL") or environ.get("REDIS_URL_FILE"))
        self.redis_port = 0

    def problems(self, planned: Sequence[Process]) -> Iterator[str]:
        """Yield a sentence for everything that forbids the start."""
        yield from self._problems
        yield from port_problems(planned, is_free)
        if self.embeds_redis:
            try:
                redis_server.find_binary()
            except redis_server.NoRedisError as error:
                yield str(error)

    def redis_command(self) -> list[str]:
        """Settle the port of the embedded Redis and return how to start it."""
        self.redis_port = self.data.redis_port(free_port, is_free)
        return redis_server.command(redis_server.find_binary(), self.redis_port, self.data.redis)

    def environment(self) -> dict[str, str]:
        """Return the environment of every child."""
        url = redis_server.url(self.redis_port) if self.embeds_redis else ""
        return for_children(self._environ, self.settings, self.data, url)
