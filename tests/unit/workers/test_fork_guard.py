"""The pool does not fork while a probe is inside C code."""

import os
import threading

import pytest

from workers.fork_guard import ForkGuard

# One for the file: the interpreter never forgets a hook.
GUARD = ForkGuard()
GUARD.install()


def fork_and_reap():
    child = os.fork()
    if child == 0:
        with GUARD.busy():
            os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_until_the_busy_thread_is_done():
    inside, finish, order = threading.Event(), threading.Event(), []

    def work():
        with GUARD.busy():
            inside.set()
            finish.wait(5)
            order.append("probe")

    def fork():
        status = fork_and_reap()
        order.append(("fork", status))

    probe, forker = threading.Thread(target=work), threading.Thread(target=fork)
    probe.start()
    inside.wait(5)
    forker.start()
    forker.join(0.2)
    assert forker.is_alive()

    finish.set()
    probe.join(5)
    forker.join(5)
    assert order == ["probe", ("fork", 0)]


def test_a_fork_with_nobody_busy_goes_on_and_the_child_can_be_busy():
    assert fork_and_reap() == 0
