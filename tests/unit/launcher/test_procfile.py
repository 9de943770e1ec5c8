"""Reading a Procfile."""

import pytest

from launcher.environment import ROOT
from launcher.procfile import ProcfileError, parse


def test_names_and_commands_come_in_the_order_of_the_file():
    text = "# a comment\n\nweb: gunicorn app:app --bind $PORT\nbeat:   celery beat\n"
    assert list(parse(text).items()) == [("web", "gunicorn app:app --bind $PORT"), ("beat", "celery beat")]


@pytest.mark.parametrize("text", ["web gunicorn", "web:", "a b: c", "web: a\nweb: b"])
def test_what_is_no_procfile_is_refused_with_its_line(text: str):
    with pytest.raises(ProcfileError, match=r"line [12]"):
        parse(text)


def test_ours_names_the_processes_of_the_design():
    commands = parse((ROOT / "Procfile").read_text())
    assert list(commands) == ["api", "node", "worker", "worker_bulk", "beat", "flower"]
    assert all("--no-control-socket" in commands[name] for name in ("api", "node"))
    assert all("--without-gossip --without-mingle" in commands[name] for name in ("worker", "worker_bulk"))
