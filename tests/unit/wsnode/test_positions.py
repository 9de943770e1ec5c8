"""Comparing positions: a record that cannot be read costs its user the check, and nobody else anything."""

import pytest

from shared.redis.client import RedisUnavailable
from wsnode.hub import Hub
from wsnode.positions import Positions


class Peer:
    def __init__(self, number: int, user: str) -> None:
        self.number, self.user, self.checks = number, user, 0

    def check(self, epoch, me_top, all_top) -> None:
        self.checks += 1


class Streams:
    """Redis; refuses every call that names one of `poison`, and everything while it is `away`."""

    def __init__(self, error: Exception) -> None:
        self.error, self.poison, self.away, self.calls = error, set(), False, 0

    def positions(self, node, users):
        self.calls += 1
        self.check()
        if self.poison & {user for _, user in users}:
            raise self.error
        return [("e", 0) for _ in users]

    def app_top(self, app):
        return "e", 0

    def check(self):
        if self.away:
            raise RedisUnavailable


def world(error: Exception):
    hub: Hub = Hub("n1")
    streams = Streams(error)
    peers = [Peer(number, f"u{number}") for number in range(600)]
    for peer in peers:
        hub.add("main", peer)
    return streams, peers, Positions(hub, streams, interval=30)


@pytest.mark.parametrize("error", [RedisUnavailable("WRONGTYPE"), ValueError("no number")])
def test_a_record_that_cannot_be_read_keeps_nobody_else_from_being_checked(error):
    streams, peers, positions = world(error)
    streams.poison = {"u7", "u411"}
    positions.check_all()
    assert [peer.user for peer in peers if not peer.checks] == ["u7", "u411"]
    assert streams.calls < 50


def test_a_redis_that_is_away_is_told_at_once():
    streams, peers, positions = world(RedisUnavailable("refused"))
    streams.away = True
    with pytest.raises(RedisUnavailable):
        positions.check_all()
    assert streams.calls == 1
    assert not any(peer.checks for peer in peers)
