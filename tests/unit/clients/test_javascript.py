"""Runs the JavaScript client's tests: they are Node's own, so that a page's code is tested by what runs it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize(("name", "at_least"), [("vectors.test.mjs", 80), ("client.test.mjs", 25)])
def test_javascript_client_passes_its_own_tests(name, at_least):
    command = [NODE, "--test", "--test-reporter=tap", str(HERE / name)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    passed = re.search(r"^# pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed is not None, run.stdout[-2000:]
    assert int(passed[1]) >= at_least
