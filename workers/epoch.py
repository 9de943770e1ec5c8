"""`python -m workers.epoch`: the last step of a restore: every app gets a new epoch, and Redis forgets the old one.

Numbers that clients have seen are given again by a database that was restored from a backup. Under a new epoch no
client compares an old position with a new number: each is told `recovered: false` and reloads.
"""

import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from shared.config import Settings, load_or_exit
from shared.db import Database
from shared.redis.client import RedisUnavailable, connect
from shared.redis.epochs import Dropped, drop_streams
from shared.store.epochs import bump_all


def end_epochs(settings: Settings) -> tuple[dict[str, str], Dropped]:
    """First the database, then Redis; may be repeated. Raises SQLAlchemyError, RedisUnavailable."""
    database, client = Database(settings.database_url), connect(settings.redis_url, name="bellhop-epoch")
    try:
        epochs = database.run(bump_all)
        return epochs, drop_streams(client)
    finally:
        client.close()
        database.close()


def main() -> int:
    """Do it and print what was done; on failure one line, exit code 1, and it can be repeated."""
    try:
        epochs, dropped = end_epochs(load_or_exit(os.environ))
    except (SQLAlchemyError, RedisUnavailable) as error:
        line = next(iter(str(error).splitlines()), "")
        print(f"bellhop: the epoch was not ended everywhere, repeat it: {line}", file=sys.stderr)
        return 1
    for app, epoch in sorted(epochs.items()):
        print(f"{app}: epoch {epoch}")
    print(f"Redis forgot {dropped.records} records and {dropped.tails} tails")
    return 0


if __name__ == "__main__":
    sys.exit(main())
