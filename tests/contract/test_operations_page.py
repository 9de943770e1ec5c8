"""docs/operations.md names every metric and every reason of readiness that the code has, and no others."""

import re

from prometheus_client import REGISTRY

import shared.metrics as declared
from tests.architecture.sources import ROOT
from workers.pool import Pool
from workers.readiness import BUSY_MAX_S, LOOP_MAX_AGE_S, Vitals, judge

PAGE = (ROOT / "docs" / "operations.md").read_text()
WELL = {"loop_age_s": 0.0, "pool": Pool(1), "redis_error": None, "database_error": None}


def metric_names() -> set[str]:
    assert declared.CONTENT_TYPE
    found = [metric for metric in REGISTRY.collect() if metric.name.startswith("bellhop_")]
    return {metric.name + ("_total" if metric.type == "counter" else "") for metric in found}


def test_every_metric_is_on_the_page_and_every_one_on_the_page_exists():
    assert set(re.findall(r"`(bellhop_[a-z_]+)`", PAGE)) == metric_names()


def test_every_reason_of_a_worker_is_on_the_page():
    changes = [
        {"redis_error": "X"},
        {"database_error": "X"},
        {"loop_age_s": None},
        {"loop_age_s": LOOP_MAX_AGE_S + 1},
        {"pool": Pool()},
        {"pool": Pool(2, 1)},
        {"pool": Pool(1, 0, BUSY_MAX_S + 1)},
        {"stopping": True},
    ]
    for change in changes:
        reason = judge(Vitals(**{**WELL, **change}))[1]["reason"]
        shown = re.sub(r"X|\d+", "...", reason)
        assert shown in PAGE, reason


def test_every_reason_of_a_node_is_on_the_page():
    source = (ROOT / "wsnode" / "membership.py").read_text()
    body = source[source.index("def reason") : source.index("def subscribed")]
    reasons = re.findall(r'return "([^"]+)"', body)

    assert len(reasons) >= 3
    for reason in (*reasons, "draining"):
        assert f"`{reason}`" in PAGE


def test_every_setting_on_the_page_exists():
    known = (ROOT / "docs" / "configuration.md").read_text()
    for name in set(re.findall(r"`(BELLHOP_[A-Z_]+)`", PAGE)):
        assert f"`{name}`" in known, name


def test_every_section_that_is_linked_is_there():
    headings = {
        line.lstrip("# ").strip().lower().replace(" ", "-") for line in PAGE.splitlines() if line[:1] == "#"
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert anchor in headings
