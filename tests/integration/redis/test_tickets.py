"""Tickets are good once, for a while, and Redis does not know their secrets."""

import threading

import pytest

from shared.redis import keys
from shared.redis.client import RedisUnavailable, connect
from shared.redis.tickets import Ticket, Tickets

SECRET = "bt_" + "s" * 43
TICKET = Ticket(
    "main", "Ana Ü", ("inbox:read", "messages:write"), "session", 1_790_000_000_000, 1_790_000_600_000, None
)


def test_a_ticket_is_taken_once_as_it_was_put(client):
    tickets = Tickets(client)
    tickets.put(SECRET, TICKET, 30)

    assert [tickets.take(SECRET), tickets.take(SECRET)] == [TICKET, None]


def test_of_many_who_present_one_ticket_one_gets_in(client):
    tickets, found = Tickets(client), []
    tickets.put(SECRET, TICKET, 30)
    threads = [threading.Thread(target=lambda: found.append(tickets.take(SECRET))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(found, key=str) == [None] * 15 + [TICKET]


def test_a_ticket_ends_by_itself_and_its_secret_is_not_in_redis(client):
    Tickets(client).put(SECRET, TICKET, 30)

    (key,) = client.keys("*")
    assert 0 < client.ttl(key) <= 30
    assert SECRET.encode() not in key + client.get(key)


@pytest.mark.parametrize("secret", ["", "\ud800", "ü", "x" * 5000])
def test_any_text_may_be_presented(client, secret):
    assert Tickets(client).take(secret) is None


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[1]", b'{"app":"main"}', b'{"scopes":1}'])
def test_what_another_version_wrote_lets_nobody_in(client, raw):
    tickets = Tickets(client)
    tickets.put(SECRET, TICKET, 30)
    (key,) = client.keys("ticket:*")
    client.set(key, raw)

    assert tickets.take(SECRET) is None


def test_redis_away_is_said():
    tickets = Tickets(connect("redis://127.0.0.1:1/0", timeout=0.2))

    for ask in (lambda: tickets.put(SECRET, TICKET, 30), lambda: tickets.take(SECRET)):
        with pytest.raises(RedisUnavailable):
            ask()
    assert keys.ticket("d").startswith("ticket")
