"""How often a user may send."""

from shared.domain.gcra import Policy
from wsnode.socketio import sends
from wsnode.socketio.sends import Sends


def test_so_many_in_a_while_of_each_user():
    found = Sends(Policy(10, 60_000))
    assert [found.may("main", "ana", 100.0) for _ in range(11)] == [True] * 10 + [False]
    assert found.may("main", "bo", 100.0)
    assert found.may("other", "ana", 100.0)
    assert not found.may("main", "ana", 105.9)
    assert found.may("main", "ana", 106.1)


def test_without_a_limit_nobody_is_counted():
    assert all(Sends(None).may("main", "ana", 1.0) for _ in range(1000))


def test_it_remembers_a_bounded_number_of_users(monkeypatch):
    monkeypatch.setattr(sends, "USERS_KEPT", 3)
    found = Sends(Policy(1, 1000))
    for number in range(10):
        assert found.may("main", f"u{number}", 100.0)
    assert len(found._tats) <= 3
