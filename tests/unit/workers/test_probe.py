"""Asking a dependency, for a bounded time."""

import threading

from workers.fork_guard import ForkGuard
from workers.probe import Probe


def test_an_answer_is_no_error():
    assert Probe("redis", lambda: None, ForkGuard()).error() is None


def test_a_failure_is_named_without_its_text():
    def ask():
        raise ConnectionError("redis://user:secret@host")

    assert Probe("redis", ask, ForkGuard()).error() == "ConnectionError"


def test_silence_ends_after_the_bound_and_does_not_pile_up_askers():
    release, asked = threading.Event(), []

    def ask():
        asked.append(1)
        release.wait(5)

    probe = Probe("database", ask, ForkGuard(), within_s=0.05)
    assert [probe.error() for _ in range(3)] == ["no answer within 0.05 s"] * 3
    assert len(asked) == 1
    release.set()
