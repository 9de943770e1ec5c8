"""`python -m shared.config check|table|env`: judge this environment, or print the generated documents.

`check` lets an operator try a change of settings without starting or stopping anything.
"""

import os
import sys

from shared.config.loading import load_or_exit
from shared.config.render import environment_file, table

_USAGE = "usage: python -m shared.config check|table|env"


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    match arguments:
        case ["check"]:
            settings = load_or_exit(os.environ)
            print(f"settings are good (profile {settings.profile})")
        case ["table"]:
            print(table(), end="")
        case ["env"]:
            print(environment_file(), end="")
        case _:
            print(_USAGE, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
