"""The keys of another issuer: fetched, kept while it is away, rotated, and never asked for too often."""

import threading
from collections.abc import Iterator
from urllib.error import URLError

import pytest

from launcher.waiting import wait_for
from shared.auth.key_set import NotAKeySet
from shared.auth.signatures import KeyUnknown
from shared.issuer import (
    AGAIN,
    FRESH,
    HANGING_MAX,
    PATIENCE,
    SIZE_MAX,
    STALE,
    Issuer,
    IssuerUnavailable,
    read,
)
from shared.verifier import Verifier
from tests.fixtures.other_issuer import ISSUER, KeyServer, key_server, key_set, public_jwk, signed
from tests.unit.auth.test_tokens import FakeSettings

NOW = 1_767_225_600_000
SETTINGS = FakeSettings(issuer=ISSUER)
CLAIMS = {"sub": "ana", "iss": ISSUER, "exp": NOW // 1000 + 60}
OLD, NEW = public_jwk("ES256", "old", "old"), public_jwk("ES256", "new", "new")


class World:
    """An issuer whose answers and whose clock are the test's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.body: bytes | Exception = key_set(OLD)
        self.gate = threading.Event()
        self.gate.set()
        self.fetches = 0
        self.issuer = Issuer("https://keys.example.com", fetch=self.fetch, monotonic=lambda: self.now)
        self.verifier = Verifier(SETTINGS, self.issuer, now_ms=lambda: NOW)

    def fetch(self, _: str) -> bytes:
        self.fetches += 1
        assert self.gate.wait(5)
        if isinstance(self.body, Exception):
            raise self.body
        return self.body

    def user(self, name: str) -> str | None:
        return self.verifier.check(signed(CLAIMS, kid=name, name=name)).user


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_token_waits_for_the_keys_and_later_ones_do_not(world):
    assert world.user("old") == "ana"
    assert world.user("old") == "ana"
    assert world.fetches == 1
    assert world.verifier.at_once(signed(CLAIMS, kid="old", name="old")).user == "ana"


def test_a_key_that_is_new_is_fetched_and_one_that_was_dropped_counts_no_more(world):
    world.user("old")
    world.body = key_set(OLD, NEW)
    world.now += AGAIN
    assert (world.user("new"), world.user("old")) == ("ana", "ana")
    world.body = key_set(NEW)
    world.now += FRESH + 1
    assert world.issuer.look_again()
    with pytest.raises(KeyUnknown):
        world.user("old")
    assert world.user("new") == "ana"


def test_unknown_keys_are_asked_for_once_in_ten_seconds_whoever_names_them(world):
    world.user("old")
    for _ in range(100):
        with pytest.raises(KeyUnknown):
            world.user("evil")
    assert world.fetches == 1
    assert not world.verifier.may_know_more
    world.now += AGAIN
    assert world.verifier.may_know_more
    for _ in range(100):
        with pytest.raises(KeyUnknown):
            world.user("evil")
    assert world.fetches == 2


def test_of_many_who_wait_one_fetches(world):
    world.gate.clear()
    users: list[str | None] = []
    waiting = [threading.Thread(target=lambda: users.append(world.user("old"))) for _ in range(20)]
    for one in waiting:
        one.start()
    world.gate.set()
    for one in waiting:
        one.join(5)
    assert users == ["ana"] * 20
    assert world.fetches == 1


def test_nobody_waits_for_ever_and_another_fetch_takes_the_place_of_one_that_hangs(world):
    world.gate.clear()
    assert not world.issuer.look_again(wait=0.01)
    world.now += 20
    assert not world.issuer.look_again(wait=0.01)
    assert world.fetches == 2
    world.gate.set()


def test_fetches_that_hang_do_not_become_more_and_more(world):
    world.gate.clear()
    for _ in range(10):
        world.issuer.look_again(wait=0)
        world.now += PATIENCE
    wait_for(lambda: world.fetches == HANGING_MAX, seconds=5)
    world.gate.set()
    wait_for(lambda: world.issuer.known, seconds=5)
    assert world.fetches == HANGING_MAX
    assert wait_for(world.issuer.look_again, seconds=5)


def test_while_the_issuer_is_down_its_keys_count_for_a_day(world):
    world.user("old")
    for world.body in (OSError("down"), b"<html>", key_set(), TimeoutError()):
        world.now += FRESH + 1
        world.issuer.look_again()
        assert world.user("old") == "ana"
    world.now = 1000 + STALE
    assert world.user("old") == "ana"
    world.now += 1
    with pytest.raises(IssuerUnavailable):
        world.user("old")
    world.body = key_set(OLD)
    world.now += AGAIN
    world.issuer.look_again()
    assert world.user("old") == "ana"


def test_an_issuer_that_never_answered_is_a_reason_to_come_back_and_no_bad_token(world):
    world.body = OSError("down")
    with pytest.raises(IssuerUnavailable) as caught:
        world.user("old")
    assert (caught.value.status, caught.value.retryable) == (503, True)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as server:
        yield server


def test_keys_are_read_from_an_address_and_from_a_file(server, tmp_path):
    server.body = key_set(OLD)
    assert read(server.address) == server.body
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(NEW))
    assert read(str(path)) == key_set(NEW)


def test_what_is_too_long_or_an_error_is_refused(server, tmp_path):
    server.body = b" " * (SIZE_MAX + 1)
    with pytest.raises(NotAKeySet):
        read(server.address)
    server.status = 500
    with pytest.raises(OSError, match="500"):
        read(server.address)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "nothing"))


def test_redirects_stay_within_their_scheme_and_are_few(server, tmp_path):
    server.body = key_set(OLD)
    server.redirect = "/other"
    assert read(server.address) == server.body
    for elsewhere in ("https://127.0.0.1:1/", "ftp://127.0.0.1/", f"file://{tmp_path}", "data:,x", "/keys"):
        server.redirect = elsewhere
        with pytest.raises(URLError):
            read(server.address)
    assert server.fetches < 20
