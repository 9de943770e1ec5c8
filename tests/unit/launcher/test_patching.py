"""What gunicorn's master loads before its worker lets gevent replace sockets and TLS."""

import os
import subprocess
import sys

import pytest

from launcher.environment import ROOT

START = """
from {process} import gunicorn_conf
from gunicorn.util import load_class
load_class(gunicorn_conf.worker_class)
from gevent import monkey
monkey.patch_all()
print("patched")
"""


@pytest.mark.parametrize("process", ["api", "wsnode"])
def test_nothing_holds_what_gevent_replaces_and_the_first_start_warns_of_nothing(process: str):
    env = {name: value for name, value in os.environ.items() if not name.startswith("BELLHOP_")}
    told = subprocess.run(
        [sys.executable, "-c", START.format(process=process)],
        check=False,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout == "patched\n", told.stderr
    assert "MonkeyPatchWarning" not in told.stderr
