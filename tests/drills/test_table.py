"""The table of the reliability page: the worst of all runs, and no run left out."""

import json

from drills.table import BEGIN, END, table, update

HEADINGS = 2


def document(**fields):
    verdict = {"accepted": 100, "lost": 0, "repeated": 0, "reordered": 0, "strange": 0}
    verdict |= {"latency_p50_ms": 10.0, "latency_p99_ms": 20.0, "recovery_s": 3.0}
    own = fields.pop("verdict", {})
    return {
        "drill": "D1",
        "title": "kill",
        "control": "",
        "removes": "",
        "size": "default",
        "parameters": {"kills": 3},
        "good": True,
        "skipped": "",
        "error": "",
        "broken": [],
        "promises": ["nothing lost"],
        "figures": {},
        "ended_at": "2026-11-20T10:00:00+00:00",
        "machine": {"cores": 2, "kernel": "6.1", "python": "3.11", "load_average": 0.5},
        **fields,
        "verdict": None if own is None else {**verdict, **own},
    }


def control(**fields):
    lost = {"verdict": {"lost": 8}, "broken": ["nothing lost"]}
    return document(control="no reconciler", removes="the reconciler", **{**lost, **fields})


def rows(*found, written="", known=("D1", "D2")):
    return table(found, written, known).splitlines()[HEADINGS:]


def test_a_row_tells_the_worst_of_its_runs():
    (row,) = rows(document(), document(verdict={"latency_p99_ms": 90.0, "recovery_s": 1.0}))
    assert "| 2 | 100 accepted, 0 lost" in row
    assert "p99 90 ms, recovery 3 s" in row


def test_a_broken_run_is_told_first():
    bad = document(good=False, broken=["nothing lost"], verdict={"lost": 2})
    (row,) = rows(document(), bad)
    assert "**1 of 2 broken: nothing lost** 100 accepted, 2 lost" in row


def test_a_run_that_could_not_be_judged_is_broken_too():
    (row,) = rows(document(), document(good=False, error="TimeoutError: no", verdict=None))
    assert "**1 of 2 broken: TimeoutError: no**" in row


def test_the_control_tells_what_was_lost_without_it():
    (row,) = rows(document(), control())
    assert "the reconciler → 8 lost of 100" in row


def test_a_control_that_saw_nothing_is_told():
    (row,) = rows(document(), control(good=False, verdict={"lost": 0}))
    assert "nothing seen" in row


def test_runs_with_other_parameters_are_not_mixed():
    older = document(parameters={"kills": 1}, verdict={"latency_p99_ms": 900.0}, ended_at="2026-11-01")
    (row,) = rows(older, document())
    assert "900" not in row


def test_a_row_without_new_results_stays_and_skipped_runs_do_not_count():
    written = "| **D2** pool | `make drill NAME=D2` | 1 | ok | x | m | 2026-01-01 |\n"
    found = rows(document(), document(drill="D2", skipped="no PostgreSQL"), written=written)
    assert [row[:8] for row in found] == ["| **D1**", "| **D2**"]
    assert found[1] == written.strip()


def test_the_page_keeps_its_text_around_the_table(tmp_path):
    page, out = tmp_path / "page.md", tmp_path / "out"
    out.mkdir()
    (out / "one.json").write_text(json.dumps(document()))
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert update(page, out, {"D1": None}) == 0
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| drill |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text


def test_a_page_without_a_place_for_it_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    assert update(page, tmp_path, {}) == 2
    assert page.read_text() == "nothing here\n"
