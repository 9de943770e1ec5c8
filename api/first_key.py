"""`python -m api.first_key [NAME]`: an API key with every scope, printed on the last line, for whoever deploys Bellhop.

Rule C, one of the places that read the environment. Over HTTP only who holds a key can make one; whoever may run this
has the database and the signing secret at hand anyway. Each run makes another; `DELETE /v1/api-keys/{id}` ends one.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from api.keys import Keys, Wanted
from shared.auth.principal import KEY_SCOPES
from shared.auth.tokens import MAIN_APP
from shared.clock import SystemClock
from shared.config import Settings, load_or_exit
from shared.db import Database

NAME: Final = "first"
_NAME_MAX: Final = 100


def first_key(settings: Settings, name: str) -> str:
    """Make a key of the app `main` and return its secret. Raises SQLAlchemyError, NotFound before the migration."""
    database = Database(settings.database_url)
    try:
        keys = Keys(database, SystemClock(), random=os.urandom)
        return keys.make(MAIN_APP, Wanted(name=name, scopes=KEY_SCOPES))[1].secret
    finally:
        database.close()


def main(arguments: Sequence[str]) -> int:
    """Print it; one line and exit code 1 if the database cannot be used, 2 for a bad name."""
    name = " ".join(arguments) or NAME
    if len(name) > _NAME_MAX:
        print(f"bellhop: a name has at most {_NAME_MAX} characters", file=sys.stderr)
        return 2
    try:
        print(first_key(load_or_exit(os.environ), name))
    except SQLAlchemyError as error:
        line = next(iter(str(error).splitlines()), "")
        print(f"bellhop: no key was made: {line}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
