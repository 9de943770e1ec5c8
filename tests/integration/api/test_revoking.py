"""Who is let in no more, and who again: while Redis is away, within one second, and by clocks that differ."""

import os
from typing import Any

import pytest

from api.clients import Client
from api.sessions import Sessions
from shared.clock import SystemClock
from shared.redis import client, keys
from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Revocations
from shared.redis.streams import Streams
from shared.redis.successors import Successors
from shared.services import users
from shared.services.revoking import LATE_MS, Revoking
from shared.verifier import verifier
from tests.integration.api.people import register, sign_in
from tests.integration.api.support import Api

NOW = SystemClock().now_ms()
CLIENT = Client(agent="tests", print="c" * 64)


def revoking_of(api: Api, redis_url: str | None = None) -> Revoking:
    redis = client.connect(redis_url or api.redis_url)
    settings = api.settings
    known = Revocations(redis, life=settings.revocation_life)
    return Revoking(settings, api.database, known, Streams(redis))


def test_what_is_decided_while_redis_is_away_holds_when_it_is_back(start_api, own_redis) -> None:
    """The caller hears that it is decided and not known yet; nobody repeats anything."""
    api = start_api(own_redis.url)
    for name in ("ana", "bob", "eve"):
        register(api, name)
    tokens = {name: sign_in(api, name).json for name in ("ana", "bob", "eve")}
    assert api.post("/v1/users/bob/disable", None).status == 200
    assert api.post("/v1/users/eve/disable", None).status == 200
    own_redis.stop()

    off, on = api.post("/v1/users/ana/disable", None), api.post("/v1/users/bob/enable", None)
    assert [(answer.status, answer.code) for answer in (off, on)] == [(503, "unavailable")] * 2
    assert "decided" in off.json["error"]["message"]
    assert api.call("GET", "/v1/users/ana").json["disabled_at"] is not None
    assert api.call("DELETE", "/v1/users/eve").status == 204
    own_redis.start()
    # What the job does that beat ticks every five seconds.
    assert revoking_of(api).catch_up(SystemClock().now_ms() + LATE_MS + 1) > 0

    assert api.call("GET", "/v1/inbox/counts", auth=tokens["ana"]["access"]).code == "token_invalid"
    assert sign_in(api, "bob").status == 200
    assert api.call("GET", "/v1/inbox/counts", auth=sign_in(api, "bob").json["access"]).status == 200
    for token in (tokens["eve"]["access"], api.token("eve", ttl=60)):
        # The second one was issued after the erasure: it is another person's.
        status = api.call("GET", "/v1/inbox/counts", auth=token).status
        assert status == (401 if token == tokens["eve"]["access"] else 200)
    redis = client.connect(own_redis.url)
    assert redis.smembers(keys.disabled("main")) == {b"ana"}
    redis.close()


class Frozen:
    """A clock that stands still."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now_ms(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


def sessions_at(api: Api, clock: Frozen, *, redis_url: str | None = None) -> Sessions:
    redis = client.connect(api.redis_url)
    return Sessions(
        api.settings,
        api.database,
        revoking_of(api, redis_url),
        Successors(redis),
        clock=clock,
        random=os.urandom,
    )


@pytest.mark.parametrize("behind", [0, 5, 3000])
def test_who_is_enabled_and_signs_in_at_once_has_a_good_token_and_no_older_one(api: Api, behind: int) -> None:
    """In the same millisecond, and at an api whose clock is behind the one that decided."""
    user, clock = f"quick {behind} {api.database.dialect}", Frozen(NOW)
    ask, revoking = sessions_at(api, clock), revoking_of(api)
    check = verifier(api.settings, clock.now_ms)
    known = Revocations(client.connect(api.redis_url), life=60)

    def good(token: str) -> bool:
        found = check.check(token)
        return known.standing("main", user, found.session).allows(found.issued_at)

    older = ask.visit("main", user, CLIENT).access
    assert good(older)
    revoking.tell(api.database.run(lambda session: users.disable(session, "main", user, NOW))[1])
    revoking.tell(api.database.run(lambda session: users.enable(session, "main", user, NOW))[1])
    clock.at = NOW - behind
    grant = ask.visit("main", user, CLIENT)

    assert good(grant.access)
    assert not good(older)
    assert good(ask.refresh(grant.refresh, CLIENT).access)


def test_a_token_from_a_clock_that_was_ahead_is_dead_with_its_session(api: Api) -> None:
    user, clock = f"ahead {api.database.dialect}", Frozen(NOW + 5000)
    ahead = sessions_at(api, clock).visit("main", user, CLIENT).access
    revoking = revoking_of(api)
    for decide in (users.disable, users.enable):
        revoking.tell(api.database.run(lambda session, do=decide: do(session, "main", user, NOW))[1])

    found = verifier(api.settings, clock.now_ms).check(ahead)
    standing = Revocations(client.connect(api.redis_url), life=60).standing("main", user, found.session)
    assert not standing.allows(found.issued_at)


def test_a_sign_in_that_ends_an_older_session_does_not_fail_for_that(api: Api, monkeypatch: Any) -> None:
    """Of too many: it is told later."""
    monkeypatch.setattr("shared.store.sessions.SESSIONS_MAX", 1)
    clock = Frozen(NOW)
    ask = sessions_at(api, clock, redis_url="redis://127.0.0.1:1/0")
    first = ask.visit("main", "many", CLIENT)
    clock.at += 1
    ask.visit("main", "many", CLIENT)
    waiting = revoking_of(api)
    waiting.catch_up(NOW + 2 * LATE_MS)

    found = verifier(api.settings, lambda: NOW).check(first.access)
    assert Revocations(client.connect(api.redis_url), life=60).standing("main", "many", found.session).ended
    with pytest.raises(RedisUnavailable, match="decided"):
        ask.end_own(found)
