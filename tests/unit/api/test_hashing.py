"""Passwords are checked beside the loop: so many at once, so many waiting, and the next is refused."""

import threading

import gevent
import pytest

from api.clients import check_own_page, client_of
from api.hashing import Hashing
from shared.domain.address import Proxies
from shared.errors import Forbidden, Unavailable


class Slow:
    """Passwords whose check lasts until it is let go; counts how many run at once."""

    def __init__(self):
        self.go, self.running, self.most = threading.Event(), 0, 0
        self.lock = threading.Lock()

    def prepare(self):
        pass

    def matches(self, password, stored):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(10)
        with self.lock:
            self.running -= 1
        return password == stored


def _until(condition):
    with gevent.Timeout(10):
        while not condition():
            gevent.sleep(0.005)


def test_two_run_at_once_some_wait_and_one_more_is_refused_while_the_loop_goes_on():
    slow = Slow()
    hashing = Hashing(slow, at_once=2, waiting=3)
    asked = [gevent.spawn(hashing.matches, "x", "x") for _ in range(5)]
    _until(lambda: slow.running == 2)

    with pytest.raises(Unavailable) as refused:
        hashing.matches("x", "x")
    assert refused.value.retry_after == 1

    slow.go.set()
    gevent.joinall(asked, timeout=10)
    assert [task.value for task in asked] == [True] * 5
    assert slow.most == 2
    assert hashing.matches("x", "y") is False


def test_who_waits_too_long_is_refused_and_leaves_room():
    slow = Slow()
    hashing = Hashing(slow, at_once=1, waiting=1, wait=0.05)
    first = gevent.spawn(hashing.matches, "x", "x")
    _until(lambda: slow.running == 1)

    for _ in range(3):
        with pytest.raises(Unavailable):
            hashing.matches("x", "x")

    slow.go.set()
    assert first.get(timeout=10) is True


def test_a_client_is_told_by_address_and_agent():
    proxies = Proxies(["10.0.0.1"])
    told = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "2001:db8::1", "HTTP_USER_AGENT": "a\tb"}

    def of(**changes):
        return client_of({**told, **changes}, proxies).print

    assert client_of(told, proxies).agent == "a b"
    assert of(HTTP_X_FORWARDED_FOR="2001:db8::2") == of()
    assert (
        len(
            {
                of(),
                of(HTTP_X_FORWARDED_FOR="2001:db9::1"),
                of(HTTP_USER_AGENT="b"),
                of(REMOTE_ADDR="10.0.0.2"),
            }
        )
        == 4
    )


@pytest.mark.parametrize(
    ("env", "own"),
    [
        ({}, False),
        ({"HTTP_ORIGIN": "https://a.example"}, True),
        ({"HTTP_ORIGIN": "http://a.example"}, False),
        ({"HTTP_ORIGIN": "https://a.example.evil"}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
    ],
)
def test_a_page_is_ours_by_its_origin(env, own):
    if own:
        check_own_page(env, ["https://a.example"])
        return
    with pytest.raises(Forbidden):
        check_own_page(env, ["https://a.example"])
