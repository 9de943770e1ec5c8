"""Every drill by name. A drill plugs in by being in the tuple `DRILLS` of a module of one of these packages.

drills/cases      what kills, cuts and fills
drills/hostile    what clients may do to a node
drills/crash      what dies between two named steps
drills/models     what is checked by rules instead of by load
"""

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterator
from types import ModuleType

from drills.drill import Drill

PACKAGES = ("drills.cases", "drills.hostile", "drills.crash", "drills.models")


def drills() -> dict[str, Drill]:
    """All drills, in the order of their numbers; those without one come last."""
    found: dict[str, Drill] = {}
    for module in _modules():
        for drill in getattr(module, "DRILLS", ()):
            if drill.name in found:
                raise ValueError(f"two drills are named {drill.name}")
            if not drill.controls:
                raise ValueError(f"{drill.name} has no control and proves nothing")
            found[drill.name] = drill
    return dict(sorted(found.items(), key=lambda each: _order(each[0])))


def _order(name: str) -> tuple[int, str]:
    digits = re.search(r"\d+", name)
    return (int(digits[0]) if digits else sys.maxsize, name)


def _modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            continue
        home = importlib.import_module(package)
        yield home
        # Only what says that it holds drills is loaded: entry modules beside them read the environment.
        for found in pkgutil.iter_modules(home.__path__, f"{package}."):
            spec = found.module_finder.find_spec(found.name, None)
            source = spec.loader.get_source(found.name) if spec and spec.loader else ""  # type: ignore[attr-defined]
            if re.search(r"^DRILLS\b", source or "", re.MULTILINE):
                yield importlib.import_module(found.name)
