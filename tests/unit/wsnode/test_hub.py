"""Who is connected here."""

from dataclasses import dataclass

from wsnode.hub import Hub


@dataclass(eq=False)
class Member:
    number: int
    user: str


def test_a_user_has_as_many_connections_as_were_added():
    hub: Hub[Member] = Hub("n1")
    one, two, three = (Member(number, "ana") for number in (1, 2, 3))
    room = hub.add("main", one)
    assert room.of("ana") == (one,)
    hub.add("main", two)
    hub.add("main", three)
    assert room.of("ana") == (one, two, three)
    assert room.users() == ["ana"]
    assert len(hub) == 3


def test_only_the_last_connection_of_a_user_takes_the_user_away():
    hub: Hub[Member] = Hub("n1")
    one, two = Member(1, "ana"), Member(2, "ana")
    hub.add("main", one)
    room = hub.add("main", two)
    assert not hub.remove("main", one)
    assert room.of("ana") == (two,)
    assert hub.remove("main", two)
    assert room.of("ana") == ()
    assert not room.connections


def test_removing_twice_changes_nothing():
    hub: Hub[Member] = Hub("n1")
    one = Member(1, "ana")
    hub.add("main", one)
    assert hub.remove("main", one)
    assert not hub.remove("main", one)


def test_the_same_name_in_two_apps_is_two_users():
    hub: Hub[Member] = Hub("n1")
    here, there = Member(1, "ana"), Member(2, "ana")
    hub.add("main", here)
    hub.add("shop", there)
    assert hub.room("main").of("ana") == (here,)
    assert hub.room("shop").of("ana") == (there,)
    assert hub.known("nobody") is None


def test_a_connection_is_found_by_its_name_on_its_own_node_only():
    hub: Hub[Member] = Hub("n1")
    one = Member(0xAB, "ana")
    hub.add("main", one)
    assert hub.named(f"n1.{one.number:x}") is one
    for name in ("n2.ab", "n1.ac", "n1.zz", "n1", ""):
        assert hub.named(name) is None
