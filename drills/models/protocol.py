"""D34: the machine of tests/model, with as many runs as a night has, and with one thing wrong at a time as its control.

It runs in pytest, in a process of its own: this package knows nothing of the tests, and they nothing of drills.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from drills.drill import Control, Drill, Promise, Result, Setup
from drills.frame import Frame
from launcher.environment import ROOT

MACHINE, MUTANTS = "tests/model/test_protocol.py", "tests/model/test_mutants.py"


def model(frame: Frame) -> Result:
    """Run the machine; or, as the control, each of its mutants until it is found."""
    mutants = bool(frame["mutants"])
    report = frame.folder / "report.xml"
    frame.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", MUTANTS if mutants else MACHINE, "-q", "--timeout=0"]
    command += [f"--hypothesis-seed={frame.seed}", f"--junitxml={report}"]
    environ = {**os.environ, "MODEL_EXAMPLES": str(frame["examples"])}
    with (frame.folder / "pytest.log").open("wb") as log:
        subprocess.run(  # noqa: S603  # our own interpreter
            command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    tests, failed = _counts(report)
    if mutants:
        # Any mutant that is not found fails its test; only all of them together break the promise.
        whole = failed > 0 or tests == 0
        return Result(
            None, (Promise("no run finds anything", whole),), {"mutants": tests, "not_found": failed}
        )
    held = failed == 0 and tests > 0
    return Result(None, (Promise("no run finds anything", held),), {"runs": frame["examples"]})


def _counts(report: Path) -> tuple[int, int]:
    """How many tests ran, and how many of them failed."""
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314  # pytest has just written it
    return int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))


DRILLS = (
    Drill(
        name="D34",
        title="the protocol against everything at once, checked by rules",
        run=model,
        setup=replace(Setup(), system=False),
        default={"examples": 10_000, "mutants": False},
        quick={"examples": 200},
        controls=(
            Control(
                name="mutants",
                removes="one thing of the protocol at a time",
                parameters={"mutants": True, "examples": 5_000},
            ),
        ),
    ),
)
