"""How a drill composes the system differently: a few lines of a Procfile over the product's own.

Production code has no switch for drills. What a control takes away it takes away in an entry module of its own
(drills/controls), and the lines beside it say which process starts with that module.
"""

from collections.abc import Sequence
from pathlib import Path

from launcher.environment import ROOT
from launcher.procfile import parse

DRILLS = ROOT / "drills"


def merged_procfile(target: Path, changes: Sequence[Path]) -> Path:
    """The product's Procfile with the lines of other files over it; an empty one is not possible, `-` removes."""
    commands = parse((ROOT / "Procfile").read_text(encoding="utf-8"))
    for file in changes:
        changed = parse(file.read_text(encoding="utf-8"))
        unknown = changed.keys() - commands.keys()
        if unknown:
            raise ValueError(
                f"{file.name} names {', '.join(sorted(unknown))}, which the Procfile does not have"
            )
        commands |= changed
    lines = [f"{name}: {command}\n" for name, command in commands.items() if command != "-"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(lines), encoding="utf-8")
    return target
