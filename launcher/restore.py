"""`make epoch`: the last step of a restore, with the embedded Redis if that is the one in use.

It refuses to work while Bellhop runs in the same data directory: a node that follows the old epoch would go on taking
acks for it.
"""

from collections.abc import Mapping
from pathlib import Path

from launcher.database import end_epochs
from launcher.system import System


def print_new_epochs(environ: Mapping[str, str], data_dir: Path) -> None:
    """Migrate what was restored, end its epochs, and say so."""
    with System(data_dir, env=environ, only=()) as system:
        print(end_epochs(system.environment).strip())
