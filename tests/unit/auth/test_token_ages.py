"""How old a token is and how long it may live: by that what was revoked stays dead."""

import json

import jwt
import pytest

from shared.auth import tokens
from shared.auth.tokens import TokenInvalid
from shared.redis.revocations import Standing
from tests.unit.auth.test_tokens import NEW, NOW, SETTINGS, signed

NOW_S = NOW // 1000
DAY = 86_400
MOST = SETTINGS.token_life_max


def issued_at(token: str, now: int = NOW) -> int | None:
    return tokens.verify(SETTINGS, token, now=now).issued_at


@pytest.mark.parametrize("later", [0, 1, 123, 500, 998, 999])
def test_a_token_of_ours_says_the_millisecond_that_it_was_made_in(later: int):
    now = NOW + later
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=now)
    assert issued_at(token, now) == now
    assert jwt.decode(token, NEW, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})


@pytest.mark.parametrize("begin", [NOW, 2_160_000_000_000])
def test_every_millisecond_of_a_second_comes_back_as_it_was(begin: int):
    """The second one is after 2038, where a float times a thousand is not always the nearest one."""
    for now in range(begin, begin + 1000):
        text = json.loads(json.dumps({"iat": now / 1000}))
        assert tokens.claims_of.issued_at(text) == now


def test_who_signs_in_within_the_second_of_a_revocation_gets_a_token_that_counts_and_an_older_one_does_not():
    revoked = Standing(before=NOW + 500)
    older = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW + 499)
    newer = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW + 500)
    assert not revoked.allows(issued_at(older, NOW + 600))
    assert revoked.allows(issued_at(newer, NOW + 600))
    assert not revoked.allows(issued_at(signed({"iat": NOW_S}), NOW + 600))
    assert not revoked.allows(issued_at(signed({"iat": NOW_S + 0.4999}), NOW + 600))


@pytest.mark.parametrize("days", [7, 30])
def test_tokens_that_live_for_weeks_count(days: int):
    for claims in ({"iat": NOW_S}, {}):
        assert tokens.verify(SETTINGS, signed({"exp": NOW_S + days * DAY, **claims}), now=NOW).user == "ana"


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": NOW_S, "exp": NOW_S + MOST + 1},
        {"iat": NOW_S - MOST, "exp": NOW_S + 60},
        {"exp": NOW_S + MOST + 1},
        {"iat": NOW_S + 11, "exp": NOW_S + 60},
        {"iat": NOW_S + 3600, "exp": NOW_S + MOST + 3600},
        {"iat": 0, "exp": NOW_S + 60},
    ],
)
def test_a_token_that_could_outlive_what_is_known_against_it_is_refused(claims: dict[str, float]):
    with pytest.raises(TokenInvalid):
        tokens.verify(SETTINGS, signed(claims), now=NOW)


def test_the_clock_of_who_issues_may_be_ahead_a_little():
    assert tokens.verify(SETTINGS, signed({"iat": NOW_S + 10}), now=NOW).issued_at == NOW + 10_000


def test_nothing_is_issued_that_nobody_would_accept():
    with pytest.raises(ValueError, match="at most"):
        tokens.issue(SETTINGS, user="ana", app="main", ttl=MOST + 1, now=NOW)
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=MOST, now=NOW + 999)
    assert tokens.verify(SETTINGS, token, now=NOW + 999).user == "ana"
