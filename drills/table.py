"""The table of docs/reliability.md, made from the results of runs: worst of all runs, nothing left out.

A row whose drill has no result here stays as it is, so that one drill can be run again alone.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drills.drill import Drill
from drills.running import summary

BEGIN, END = "<!-- drills:begin -->", "<!-- drills:end -->"
HEAD = (
    "| drill | command | runs | figure (worst of the runs) | control: without … → figure | machine | date |\n"
    "|---|---|---|---|---|---|---|\n"
)
_ROW = re.compile(r"^\| \*\*(?P<name>[^*]+)\*\* ")
Document = Mapping[str, Any]


def update(page: Path, out: Path, known: Mapping[str, Drill]) -> int:
    """Write the table into the page; 0, or 2 if the page has no place for it."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"# Drills\n\n{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        print(f"{page} has no place for the table: {BEGIN} and {END}", file=sys.stderr)
        return 2
    before, _, rest = text.partition(BEGIN)
    within, _, after = rest.partition(END)
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*.json"))]
    page.write_text(f"{before}{BEGIN}\n{table(found, within, known)}{END}{after}", encoding="utf-8")
    return 0


def table(found: Sequence[Document], written: str, known: Iterable[str]) -> str:
    """The whole table: a new row where there are results, else the one that was written."""
    old = {match["name"]: line for line in written.splitlines() if (match := _ROW.match(line))}
    rows = []
    for name in known:
        runs = [each for each in found if each["drill"] == name and not each["skipped"]]
        own = _alike([each for each in runs if not each["control"]])
        if own:
            rows.append(row(own, [each for each in runs if each["control"]]))
        elif name in old:
            rows.append(old[name])
    return HEAD + "".join(f"{line}\n" for line in rows)


def row(own: Sequence[Document], controls: Sequence[Document]) -> str:
    """One line of the table."""
    last = own[-1]
    size = "" if last["size"] == "default" else f"--{last['size']}"
    repeat = f"--repeat {len(own)}" if len(own) > 1 else ""
    arguments = " ".join(filter(None, (size, repeat)))
    command = f"`make drill NAME={last['drill']}" + (f' ARGS="{arguments}"`' if arguments else "`")
    bad = [each for each in own if not each["good"]]
    figure = summary(worst(own))
    if bad:
        why = sorted({text for each in bad for text in (each["broken"] or [each["error"]])})
        figure = f"**{len(bad)} of {len(own)} broken: {'; '.join(why)}** {figure}"
    cells = (
        f"**{last['drill']}** {last['title']}",
        command,
        str(len(own)),
        figure,
        "<br>".join(_control(name, controls) for name in dict.fromkeys(c["control"] for c in controls)),
        _machine(own),
        last["ended_at"][:10],
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def worst(runs: Sequence[Document]) -> dict[str, Any]:
    """The worst of each figure over several runs, as one document."""
    judged = [run for run in runs if not run["error"]]
    verdicts = [run["verdict"] for run in judged if run["verdict"] is not None]
    verdict = {name: _worst([each[name] for each in verdicts]) for name in verdicts[0]} if verdicts else None
    figures: dict[str, Any] = {}
    for run in judged:
        for name, value in run["figures"].items():
            figures[name] = _worst([figures[name], value]) if name in figures else value
    return {"verdict": verdict, "figures": figures}


def _worst(values: Sequence[Any]) -> Any:
    """The largest number; of dictionaries the largest of each; of anything else the last."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, int | float) for value in given):
        return max(given)
    if given and all(isinstance(value, dict) for value in given):
        names = dict.fromkeys(name for value in given for name in value)
        return {name: _worst([value[name] for value in given if name in value]) for name in names}
    return given[-1] if given else None


def _alike(runs: Sequence[Document]) -> list[Document]:
    """The newest run, and those before it with the same parameters."""
    ordered = sorted(runs, key=lambda each: str(each["ended_at"]))
    same = ("size", "parameters")
    return [each for each in ordered if all(each[name] == ordered[-1][name] for name in same)]


def _control(name: str, controls: Sequence[Document]) -> str:
    runs = _alike([each for each in controls if each["control"] == name])
    judged = [each for each in runs if each["verdict"] is not None or each["promises"]]
    if not judged:
        return f"{name}: {runs[-1]['error']}"
    blind = sum(not each["good"] for each in runs)
    told = [_broken(each) for each in judged if each["good"]]
    seen = f"{runs[-1]['removes']} → {told[-1]}" if told else f"{runs[-1]['removes']} → nothing seen"
    return f"**{blind} of {len(runs)} saw nothing** {seen}" if blind and told else seen


def _broken(control: Document) -> str:
    verdict = control["verdict"] or {}
    counted = [f"{verdict[name]} {name}" for name in ("lost", "repeated", "reordered") if verdict.get(name)]
    of = f" of {verdict['accepted']}" if verdict.get("lost") else ""
    return (", ".join(counted) + of) if counted else f"broken: {'; '.join(control['broken'])}"


def _machine(runs: Sequence[Document]) -> str:
    machine = runs[-1]["machine"]
    loads = sorted(float(run["machine"]["load_average"]) for run in runs)
    load = f"{loads[0]:.1f}" if len(loads) == 1 else f"{loads[0]:.1f} to {loads[-1]:.1f}"
    return f"{machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}; load {load}"
