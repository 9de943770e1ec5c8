"""npm `ws` and a node for it: the package from the lock beside this file, the node of the integration tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.wsnode.conftest import backend, node, redis_of_module, shared_node, user

__all__ = ["backend", "node", "redis_of_module", "shared_node", "user"]

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def npm_ws() -> str:
    """The node program, with `ws` installed beside the tests; where that is not possible the tests are skipped."""
    program, npm = shutil.which("node"), shutil.which("npm")
    reason = "node and npm are not installed"
    if program and npm:
        if (HERE / "node_modules" / "ws" / "package.json").exists():
            return program
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return program
        reason = f"npm ci failed: {done.stderr.strip()[-300:]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
