"""Metrics: declared once, rendered for Prometheus, over several processes too."""

import subprocess
import sys
from pathlib import Path

from launcher.environment import ROOT
from shared import metrics

TWO_PROCESSES = """
import os
from shared import metrics
metrics.acks_total.inc(2)
metrics.connections.set(5)
if os.fork() == 0:
    metrics.acks_total.inc(3)
    metrics.connections.set(7)
    os._exit(0)
pid, _ = os.wait()
before = metrics.render().decode()
metrics.forget_process(pid)
print(before, "FORGOTTEN", metrics.render().decode())
"""


def test_all_names_carry_the_prefix_and_are_rendered():
    metrics.http_seconds.labels(route="/v1/notifications").observe(0.004)
    text = metrics.render().decode()
    for name in (
        "accept_to_frame_seconds",
        "journal_depth",
        "connections",
        "gap_repairs",
        "rescued",
        "http_seconds",
    ):
        assert f"bellhop_{name}" in text, name


def test_counts_of_several_processes_are_added(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_PROCESSES],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = done.stdout.split("FORGOTTEN")
    assert "bellhop_acks_total 5.0" in before
    assert "bellhop_connections 12.0" in before
    assert "bellhop_connections 5.0" in after
    assert "bellhop_acks_total 5.0" in after
