"""Reports of connections in Redis: the newest of each, bounded, there until they are committed."""

from dataclasses import replace

from shared.protocol.visit import Visit
from shared.redis.connection_log import ConnectionLog


def visit(number: int) -> Visit:
    return Visit(
        connection=f"n1.{number}", node="n1", app="main", user="an a", opened_at=number, sign_in="header",
        dialect="native",
    )  # fmt: skip


def test_the_newest_report_of_a_connection_is_taken_until_it_is_done(client):
    log = ConnectionLog(client)
    opened, closed = visit(1), replace(visit(1), closed_at=9, code=1000, reason="ü")
    assert log.put([opened, visit(2)]) == 0
    _, early = log.take(10)

    log.put([closed])
    log.done(early)

    visits, taken = log.take(10)
    assert visits == [closed]
    log.done(taken)
    assert (log.take(10), log.waiting()) == (([], []), 0)


def test_over_the_bound_new_connections_are_left_out_and_known_ones_are_not(client):
    log = ConnectionLog(client, waiting_max=2)
    assert log.put([visit(1), visit(2), visit(3)]) == 1

    assert log.put([replace(visit(1), closed_at=5), visit(4)]) == 1

    assert sorted(one.connection for one in log.take(10)[0]) == ["n1.1", "n1.2"]
    assert len(log.take(1)[1]) == 1


def test_what_no_node_wrote_is_thrown_away_and_holds_up_nobody(client):
    log = ConnectionLog(client)
    log.put([visit(1)])
    for name, raw in (("a", b"\xff"), ("b", b"[]"), ("c", b'{"connection":"c"}')):
        client.hset("connections:log", name, raw)

    visits, taken = log.take(10)

    assert visits == [visit(1)]
    log.done(taken)
    assert log.waiting() == 0
