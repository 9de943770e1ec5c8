"""What a connection is known by while a token that renews it is looked into: it can be revoked all the time."""

from collections.abc import Callable
from typing import Any

import gevent

from shared.auth.principal import Principal, user_principal
from shared.auth.tokens import TokenInvalid
from shared.errors import Unavailable
from shared.redis.revocations import Standing
from wsnode.vetting import Vetting


class Peer:
    """A connection of ana."""

    app, user = "main", "ana"

    def __init__(self) -> None:
        self.sign_in_session: str | None = "old"
        self.issued_at: int | None = 1
        self.left: list[int] = []

    def leave(self, code: int, _reason: str) -> None:
        """It is sent away."""
        self.left.append(int(code))


class Redis:
    """Says what stands against a session; `meanwhile` runs before each answer."""

    def __init__(self, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        self.ended: set[str] = set()
        self._meanwhile = meanwhile
        self._asked = 0

    def standing(self, _app: str, _user: str, session: str) -> Standing:
        """Answer for one token."""
        gevent.sleep(0)
        self._asked += 1
        self._meanwhile(self._asked)
        return Standing(ended=session in self.ended)


class Verifier:
    """A token is the name of its session."""

    def check(self, token: str) -> Principal:
        """Whose it is."""
        return user_principal(app="main", user="ana", scopes=(), expires_at=9, session=token, issued_at=2)


def _renew(redis: Redis, peer: Peer, *tokens: str) -> list[Any]:
    made: Any = Vetting
    vetting = made(Verifier(), None, None, redis, room=lambda _: None)
    found: list[Any] = []
    for token in tokens:
        vetting.renew(peer, token, found.append)
    with gevent.Timeout(5):
        while len(found) < len(tokens):
            gevent.sleep(0)
    return found


def test_a_revoked_token_never_takes_the_place_of_the_session_that_can_be_revoked() -> None:
    peer, seen = Peer(), []
    redis = Redis(lambda _: seen.append(peer.sign_in_session))
    redis.ended.add("dead")
    found = _renew(redis, peer, "dead", "dead")
    assert {type(one) for one in found} == {TokenInvalid, Unavailable}
    assert (seen, peer.sign_in_session, peer.issued_at) == (["old"], "old", 1)


def test_a_session_that_ends_between_the_question_and_the_renewal_ends_the_connection() -> None:
    peer = Peer()
    redis = Redis(lambda asked: redis.ended.add("new") if asked == 2 else None)
    (found,) = _renew(redis, peer, "new")
    assert isinstance(found, TokenInvalid)
    assert peer.left == [4001]


def test_a_good_token_is_what_the_connection_goes_on_with() -> None:
    peer = Peer()
    (found,) = _renew(Redis(), peer, "new")
    assert (found.session, peer.sign_in_session, peer.issued_at, peer.left) == ("new", "new", 2, [])
