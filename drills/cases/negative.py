"""D43: the reconciler, the client's position or the comparison of positions is taken away; each must cost something.

Its promise is the opposite of the others': that the frame sees a loss. Its control is a run with nothing taken away.
"""

from dataclasses import replace
from pathlib import Path

from drills.cases.lost_messages import WITHOUT_POSITIONS
from drills.cases.nodes import FORGETFUL
from drills.cases.worker_deaths import DRILLS as WORKERS
from drills.drill import Control, Drill, Promise, Result, Setup
from drills.frame import Frame
from drills.opening import opened
from drills.registry import drills

NOTHING = Control(name="nothing removed", removes="nothing", parameters={"remove": False})
TAKEN = (
    ("D1", WORKERS[0].controls[0], "lost"),
    ("D10", WITHOUT_POSITIONS, "lost"),
    ("D12", FORGETFUL, "repeated"),
)


def negative(frame: Frame) -> Result:
    """Run three drills without the mechanism that saves them."""
    promises, figures = [], {}
    for name, control, what in TAKEN:
        drill = drills()[name]
        taken = control if frame["remove"] else None
        folder: Path = frame.folder / name
        with opened(
            drill, folder, size=frame["size"], seed=frame.seed, control=taken, changes=frame["changes"]
        ) as inner:
            verdict = drill.run(inner).verdict
        count = getattr(verdict, what)
        promises.append(Promise(f"{name} without {control.removes} is seen ({what})", count > 0))
        figures[f"{name} without {control.removes}"] = f"{count} {what}"
    return Result(None, tuple(promises), figures)


DRILLS = (
    Drill(
        name="D43",
        title="does the frame see a loss",
        run=negative,
        setup=replace(Setup(), system=False),
        default={"remove": True, "size": "quick", "changes": {"settle_s": 45.0}},
        full={"size": "default"},
        controls=(NOTHING,),
    ),
)
