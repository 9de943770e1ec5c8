"""Entry of an api that dies where it is asked to: the real one, its adapters wrapped by drills.crash.arming."""

import os
from pathlib import Path

from drills.crash.arming import Mine
from shared.queue import JobQueue
from shared.redis.journal import Journal

_mine = Mine(Path(os.environ["BELLHOP_DATA_DIR"]), step="accept")
_mine.lay(Journal, "accept")
_mine.lay(JobQueue, "enqueue")

from api.wsgi import app  # noqa: E402  # after the change, because importing it builds the api

__all__ = ["app"]
