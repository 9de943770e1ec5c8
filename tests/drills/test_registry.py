"""Every drill is found, has a control, and its lines fit the product's Procfile."""

import pytest

from drills.composition import DRILLS, merged_procfile
from drills.quick import QUICK
from drills.registry import drills
from launcher.procfile import parse

KNOWN = drills()
NEEDED = {f"D{number}" for number in (*range(1, 16), 30, 36, 37, 38, 43)}


def test_the_needed_drills_are_there():
    assert set(KNOWN) >= NEEDED


def test_each_drill_has_a_control_that_is_named():
    assert all(drill.controls for drill in KNOWN.values())
    assert all(control.name and control.removes for drill in KNOWN.values() for control in drill.controls)


def test_names_of_controls_are_unique_within_a_drill():
    for drill in KNOWN.values():
        names = [control.name for control in drill.controls]
        assert len(names) == len(set(names)), drill.name


def test_the_quick_set_names_drills_and_controls_that_exist():
    for name, controls in QUICK.items():
        assert set(controls) <= {control.name for control in KNOWN[name].controls}


@pytest.mark.parametrize("file", sorted((DRILLS / "controls").glob("*.procfile")), ids=lambda file: file.stem)
def test_lines_of_a_control_replace_lines_of_the_procfile(file, tmp_path):
    merged = parse(merged_procfile(tmp_path / "Procfile", [file]).read_text())
    assert merged | parse(file.read_text()) == merged


def test_a_line_that_replaces_nothing_is_refused(tmp_path):
    file = tmp_path / "typo.procfile"
    file.write_text("wroker: celery\n")
    with pytest.raises(ValueError, match="wroker"):
        merged_procfile(tmp_path / "Procfile", [file])


def test_every_file_of_lines_and_every_entry_module_is_used():
    wanted = {drill.setup.lines for drill in KNOWN.values()}
    wanted |= {control.lines for drill in KNOWN.values() for control in drill.controls}
    there = {file.name for file in (DRILLS / "controls").glob("*.procfile")}
    assert wanted - {""} == there
