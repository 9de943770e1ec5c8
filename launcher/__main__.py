"""`python -m launcher run|token|key|migrate|epoch|exec`: what `make` calls by these names, and containers.

The last line that `token` and `key` print is the token or key itself, for use in scripts.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from launcher.database import PreparationError
from launcher.environment import ROOT, read_env_file
from launcher.restore import print_new_epochs
from launcher.run import run
from launcher.tools import become, migrate_database, print_key, print_token
from shared.config import ConfigError
from shared.config.loading import refuse


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    data_dir = Path(environ.get("BELLHOP_DATA_DIR") or ROOT / ".bellhop")
    try:
        match parsed.command:
            case "token":
                print_token(environ, data_dir, user=parsed.user, app=parsed.app, ttl=parsed.ttl)
            case "key":
                print_key(environ, data_dir)
            case "exec":
                become(parsed.process, environ)
            case "migrate":
                migrate_database(environ, data_dir)
            case "epoch":
                print_new_epochs(environ, data_dir)
            case _:
                return run(environ, data_dir, welcome=parsed.welcome)
    except ConfigError as error:
        refuse(error.problems)
    except PreparationError as error:
        print(f"bellhop: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launcher", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("run", help="start everything and keep it running")
    starting.add_argument(
        "--no-welcome", dest="welcome", action="store_false", help="send no first notification"
    )
    token = commands.add_parser("token", help="print a token that signs a user in")
    token.add_argument("--user", required=True)
    token.add_argument("--app", default="main")
    token.add_argument("--ttl", type=int, help="seconds; default BELLHOP_TOKEN_TTL")
    commands.add_parser("key", help="print the development API key")
    one = commands.add_parser("exec", help="become one process of the Procfile, for containers")
    one.add_argument("process")
    commands.add_parser("migrate", help="bring the database to the newest schema")
    commands.add_parser("epoch", help="after a restore: give every app a new epoch")
    return parser


def _environment() -> dict[str, str]:
    """Return the environment over a file .env beside the Makefile: what is set by hand wins."""
    file = ROOT / ".env"
    return {**(read_env_file(file.read_text(encoding="utf-8")) if file.exists() else {}), **os.environ}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _environment()))
