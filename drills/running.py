"""Run one drill once, with or without its control, and write down what came of it: one JSON file a run."""

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from drills.databases import Unavailable
from drills.drill import Control, Drill, Result
from drills.opening import opened


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was and found. `error` says why it could not be judged at all."""

    drill: str
    title: str
    control: str
    removes: str
    size: str
    seed: int
    parameters: Mapping[str, Any]
    result: Result | None
    error: str
    skipped: str
    seconds: float
    breaks: str
    """The beginning of the promise that a control must break."""
    load_average: float
    """As the run began: how busy the machine was with other things."""
    folder: str = ""
    """Where logs, ledger and screens of a run are that did not end well."""

    @property
    def good(self) -> bool:
        """A drill keeps its promises; a control breaks one."""
        if self.result is None:
            return bool(self.skipped)
        if not self.control:
            return self.result.held
        return any(text.startswith(self.breaks) for text in self.result.broken)

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        found = {
            name: getattr(self, name)
            for name in ("drill", "title", "control", "removes", "size", "seed", "error", "skipped")
        }
        result = self.result
        verdict = None if result is None or result.verdict is None else asdict(result.verdict)
        return {
            **found,
            "parameters": dict(self.parameters),
            "good": self.good,
            "verdict": verdict,
            "broken": [] if result is None else result.broken,
            "promises": [] if result is None else [promise.text for promise in result.promises],
            "figures": {} if result is None else dict(result.figures),
            "seconds": round(self.seconds, 1),
            "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {**machine.describe(), "load_average": self.load_average},
        }

    def line(self) -> str:
        """The run in one line for a person."""
        name = f"{self.drill} {f'without {self.removes}' if self.control else self.title}"
        if self.skipped:
            return f"skip  {name}: {self.skipped}"
        state = "ok" if self.good else "FAIL"
        if self.result is None:
            return f"{state:5} {name}: {self.error}"
        told = summary(self.document())
        if not self.control and self.result.broken:
            told += f"; broken: {', '.join(self.result.broken)} (see {self.folder})"
        if self.control and self.good:
            told += f"; as it should, broken: {', '.join(self.result.broken)}"
        return f"{state:5} {name}: {told} ({self.seconds:.0f} s)"


def run(
    drill: Drill,
    *,
    size: str = "default",
    seed: int = 1,
    control: Control | None = None,
    changes: Mapping[str, Any] | None = None,
    keep: bool = False,
) -> Run:
    """Run a drill. Its folder is kept if it did not end well, and the run's error says where."""
    folder = Path(tempfile.mkdtemp(prefix=f"bellhop-drill-{drill.name.lower()}-"))
    began, load = time.monotonic(), machine.busy_elsewhere()
    result: Result | None = None
    error = skipped = ""
    parameters: Mapping[str, Any] = {}
    try:
        with opened(drill, folder, size=size, seed=seed, control=control, changes=changes or {}) as frame:
            parameters = frame.parameters
            result = drill.run(frame)
    except Unavailable as missing:
        skipped = str(missing)
    except Exception as failed:  # noqa: BLE001  # whatever it was, the other drills go on and this one has failed
        error = f"{type(failed).__name__}: {failed}"
    done = Run(
        drill=drill.name,
        title=drill.title,
        **_taken_away(control),
        size=size,
        seed=seed,
        parameters=parameters,
        result=result,
        error=error and f"{error} (see {folder})",
        skipped=skipped,
        seconds=time.monotonic() - began,
        load_average=load,
        folder=str(folder),
    )
    _tidy(done, folder, keep=keep)
    return done


def _taken_away(control: Control | None) -> dict[str, str]:
    if control is None:
        return {"control": "", "removes": "", "breaks": ""}
    return {"control": control.name, "removes": control.removes, "breaks": control.breaks}


def _tidy(done: Run, folder: Path, *, keep: bool) -> None:
    """Remove the folder of a run that ended well; for the others it holds logs, ledger and screens."""
    if (done.good or done.skipped) and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        (folder / "run.json").write_text(json.dumps(done.document(), indent=1), encoding="utf-8")


def write(done: Run, out: Path) -> Path:
    """Keep a run as JSON."""
    out.mkdir(parents=True, exist_ok=True)
    what = f"-without-{done.control.replace(' ', '-')}" if done.control else ""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    file = out / f"{done.drill}{what}-{done.size}-{done.seed}-{stamp}.json"
    file.write_text(json.dumps(done.document(), indent=1) + "\n", encoding="utf-8")
    return file


def summary(document: Mapping[str, Any]) -> str:
    """The figures of one run in one line."""
    verdict, figures = document["verdict"], document["figures"]
    told = []
    if verdict is not None:
        told.append(f"{verdict['accepted']} accepted")
        told += [f"{verdict[name]} {name}" for name in ("lost", "repeated", "reordered")]
        told += [f"{verdict[name]} {name}" for name in ("strange",) if verdict[name]]
        if verdict["latency_p50_ms"] is not None:
            told.append(f"p50 {verdict['latency_p50_ms']:g} ms, p99 {verdict['latency_p99_ms']:g} ms")
        if verdict["recovery_s"] is not None:
            told.append(f"recovery {verdict['recovery_s']:g} s")
    told += [f"{name.replace('_', ' ')} {_short(value)}" for name, value in figures.items() if _tells(value)]
    return ", ".join(told)


def _tells(value: Any) -> bool:
    """Zero and nothing are only told in the JSON file."""
    return value not in (None, 0, {}, [], "")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}:{_short(each)}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
