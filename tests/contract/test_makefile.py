"""The Makefile as a user meets it."""

import re
import subprocess

from tests.architecture.sources import ROOT

TEXT = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_it_lists_its_targets():
    phony = set(re.search(r"^\.PHONY: (.*)$", TEXT, re.M)[1].split())
    listed = set(re.findall(r"^  make (\S+)", make().stdout, re.M))
    assert listed == phony


def test_a_warm_start_installs_nothing():
    assert make(".venv/run.stamp").returncode == 0
    assert "uv" not in make("--dry-run", "run").stdout


def test_token_without_a_user_says_how():
    done = make("token")
    assert done.returncode == 2
    assert "usage: make token USER=ana" in done.stderr


def test_the_lock_files_are_installed_with_their_hashes():
    syncs = re.findall(r"pip sync .*", TEXT)
    assert len(syncs) == 2
    assert all("--require-hashes" in sync for sync in syncs)
