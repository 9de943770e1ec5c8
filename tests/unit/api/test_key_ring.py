"""api.key_ring: how long a key is believed, who reads it, and what an absent database changes."""

import time

import gevent
import pytest

from api.key_ring import FRESH_SECONDS, KeyRing, KeyUse, StoredKey
from shared.auth import api_keys
from shared.errors import Unauthenticated, Unavailable
from tests.unit.api.fakes import NOW, FakeClock, FakeKeys, counting_random, until

MADE = api_keys.make(counting_random())


def stored(**changes) -> StoredKey:
    values = {
        "id": MADE.id,
        "app": "main",
        "hash": MADE.hash,
        "scopes": ("notifications:write",),
        "expires_at": None,
    }
    return StoredKey(**{**values, **changes})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys({MADE.id: stored()})


@pytest.fixture
def uses() -> list[str]:
    return []


@pytest.fixture
def ring(keys, clock, uses) -> KeyRing:
    return KeyRing(keys.load, note_use=uses.append, monotonic=clock.monotonic, now_ms=clock.now_ms)


def test_a_key_stands_for_its_app_and_scopes(ring, uses):
    who = ring.identify(MADE.secret)

    assert (who.app, who.sender, who.key, who.user) == ("main", f"key:{MADE.id}", MADE.id, None)
    assert who.scopes == {"notifications:write"}
    assert uses == [MADE.id]


def test_a_key_is_read_once_a_second(ring, keys, clock):
    for _ in range(5):
        ring.identify(MADE.secret)
    assert keys.reads == 1

    clock.advance(FRESH_SECONDS + 0.01)
    ring.identify(MADE.secret)
    assert keys.reads == 2


def test_a_revocation_elsewhere_is_obeyed_within_a_second(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.rows.clear()
    clock.advance(FRESH_SECONDS + 0.01)

    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)


def test_a_revocation_here_is_obeyed_at_once(ring, keys):
    ring.identify(MADE.secret)
    keys.rows.clear()
    ring.forget(MADE.id)

    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)


@pytest.mark.parametrize("change", [{"hash": api_keys.digest("other")}, {"expires_at": NOW}])
def test_a_wrong_secret_and_an_expired_key_are_refused(ring, keys, uses, change):
    keys.rows[MADE.id] = stored(**change)

    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)
    assert uses == []


def test_a_key_ends_at_its_time_even_between_two_readings(ring, keys, clock):
    keys.rows[MADE.id] = stored(expires_at=NOW + 100)
    ring.identify(MADE.secret)
    clock.advance(0.1)

    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)


def test_what_is_no_key_is_not_looked_up(ring, keys):
    with pytest.raises(Unauthenticated):
        ring.identify("bh_nonsense")

    assert keys.reads == 0


def test_an_unknown_id_is_remembered_for_a_second_too(ring, keys):
    keys.rows.clear()
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            ring.identify(MADE.secret)

    assert keys.reads == 1


def test_requests_that_ask_together_share_one_reading(ring, keys):
    keys.hangs = 0.01
    tasks = [gevent.spawn(ring.identify, MADE.secret) for _ in range(20)]
    gevent.joinall(tasks, timeout=5, raise_error=True)

    assert keys.reads == 1


def test_a_failed_reading_fails_for_all_that_shared_it_and_only_for_them(ring, keys):
    keys.hangs, keys.away = 0.01, True
    tasks = [gevent.spawn(ring.identify, MADE.secret) for _ in range(3)]
    gevent.joinall(tasks, timeout=5)
    assert all(isinstance(task.exception, Unavailable) for task in tasks)

    keys.away = False
    assert ring.identify(MADE.secret).key == MADE.id


def test_a_key_in_use_outlasts_an_outage_of_the_database(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.away = True
    for _ in range(10):
        clock.advance(60)
        assert ring.identify(MADE.secret).key == MADE.id


def test_while_the_database_is_away_it_is_asked_once_a_second(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.away = True
    clock.advance(2)
    for _ in range(3):
        ring.identify(MADE.secret)

    assert keys.reads == 2


def test_a_reading_that_is_overdue_is_waited_for_by_nobody_and_not_begun_again(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.hangs = 1
    clock.advance(2)
    first = gevent.spawn(ring.identify, MADE.secret)
    until(lambda: keys.reads == 2)
    for _ in range(3):
        clock.advance(2)
        begun = time.monotonic()
        assert ring.identify(MADE.secret).key == MADE.id
        assert time.monotonic() - begun < 0.5

    assert not first.ready()
    assert keys.reads == 2
    first.join()


def test_a_revocation_that_was_read_is_not_undone_by_an_outage(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.rows.clear()
    clock.advance(2)
    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)
    keys.away = True
    clock.advance(2)

    with pytest.raises(Unauthenticated):
        ring.identify(MADE.secret)


def test_no_key_outlasts_an_outage_that_does_not_end(ring, keys, clock):
    ring.identify(MADE.secret)
    keys.away = True
    clock.advance(901)

    with pytest.raises(Unavailable):
        ring.identify(MADE.secret)


def test_a_key_not_seen_for_long_before_an_outage_is_not_taken(ring, keys, clock):
    other = api_keys.make(counting_random())
    keys.rows["other000"] = stored(id="other000")
    ring.identify(MADE.secret)
    clock.advance(61)
    with pytest.raises(Unauthenticated):
        ring.identify(other.secret.replace(other.id, "other000"))  # the database answers at this moment
    keys.away = True

    with pytest.raises(Unavailable):
        ring.identify(MADE.secret)


def test_a_use_is_written_once_a_minute_and_not_by_the_request(clock):
    written: list[str] = []
    use = KeyUse(written.append, monotonic=clock.monotonic)
    use.note("k")
    assert written == []
    use.note("k")
    until(lambda: written == ["k"])

    clock.advance(60)
    use.note("k")
    until(lambda: written == ["k", "k"])


def test_a_use_that_cannot_be_written_disturbs_nobody(clock):
    asked = []

    def fail(key: str) -> None:
        asked.append(key)
        raise OSError("away")

    KeyUse(fail, monotonic=clock.monotonic).note("k")
    until(lambda: asked == ["k"])
