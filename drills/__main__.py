"""`python -m drills NAME|all|quick|list|table`: hurt the real system, and see whether anything is lost.

python -m drills D1 --repeat 3          one drill three times, each with its controls
python -m drills all --full             all of them, with the figures of the design
python -m drills D37 --set minutes=480  the soak for eight hours
python -m drills table                  the results so far into docs/reliability.md
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from bench import machine
from drills import table
from drills.drill import Control, Drill
from drills.quick import QUICK
from drills.registry import drills
from drills.running import run, write
from launcher.environment import ROOT

OUT = ROOT / "results" / "drills"
PAGE = ROOT / "docs" / "reliability.md"


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 0 if every drill kept its promises and every control broke one."""
    signal.signal(signal.SIGTERM, _end)
    parsed = _parser().parse_args(arguments)
    known = drills()
    if "list" in parsed.names:
        for drill in known.values():
            print(f"{drill.name:5} {drill.title}; controls: {', '.join(c.name for c in drill.controls)}")
        return 0
    if "table" in parsed.names:
        return table.update(PAGE, parsed.out, known)
    try:
        wanted = list(_wanted(parsed.names, known))
    except KeyError as unknown:
        print(f"no drill {unknown}; there are {', '.join(known)}, all and quick", file=sys.stderr)
        return 2
    machine.raise_open_files()
    size = "quick" if parsed.names == ["quick"] else parsed.size
    return _run_all(wanted, parsed, size)


def _run_all(wanted: Sequence[Drill], parsed: argparse.Namespace, size: str) -> int:
    bad = 0
    for chosen in wanted:
        drill = _on(chosen, parsed.database)
        for turn in range(parsed.repeat):
            for control in _controls(drill, parsed):
                done = run(
                    drill,
                    size=size,
                    seed=parsed.seed + turn,
                    control=control,
                    changes=dict(parsed.set or ()),
                    keep=parsed.keep,
                )
                write(done, parsed.out)
                print(done.line(), flush=True)
                bad += not done.good
    return 1 if bad else 0


def _on(drill: Drill, database: Any) -> Drill:
    """The drill on another database than its own, if one is asked for."""
    return replace(drill, setup=replace(drill.setup, database=database)) if database else drill


def _controls(drill: Drill, parsed: argparse.Namespace) -> Iterator[Control | None]:
    """The drill itself, then its controls; in the quick set only where they were chosen."""
    if parsed.only != "control":
        yield None
    if parsed.only != "drill":
        every = tuple(control.name for control in drill.controls)
        chosen = QUICK.get(drill.name, ()) if parsed.names == ["quick"] else every
        yield from (control for control in drill.controls if control.name in chosen)


def _wanted(names: Sequence[str], known: dict[str, Drill]) -> Iterator[Drill]:
    for name in names:
        if name == "all":
            yield from known.values()
        elif name == "quick":
            yield from (known[each] for each in QUICK)
        else:
            yield {known_name.lower(): drill for known_name, drill in known.items()}[name.lower()]


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("NAME=VALUE")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="names of drills, all, quick, list or table")
    parser.add_argument(
        "--repeat", type=int, default=1, help="runs of each, with seeds that follow each other"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results, a JSON file a run")
    parser.add_argument(
        "--full",
        dest="size",
        action="store_const",
        const="full",
        default="default",
        help="the design's figures",
    )
    parser.add_argument(
        "--quick", dest="size", action="store_const", const="quick", help="small, as in the tests"
    )
    parser.add_argument(
        "--only", choices=("drill", "control"), help="leave out the controls, or all but them"
    )
    parser.add_argument(
        "--set", type=_pair, action="append", metavar="NAME=VALUE", help="change one parameter of the drill"
    )
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql", "own-postgresql"), help="instead of the drill's own"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run that ended well, too")
    return parser


def _end(_number: int, _frame: FrameType | None) -> None:
    """Leave every block, so that nothing we started stays behind."""
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
