"""The tables of states: complete, and in agreement with what is said about them."""

import itertools

import pytest

from shared.domain import delivery, notification
from shared.domain.delivery import State
from shared.domain.notification import Status


def test_every_state_of_a_notification_has_its_row() -> None:
    assert set(notification.MOVES) == set(Status)
    assert {Status.COMPLETED, Status.CANCELLED, Status.EXPIRED} == notification.TERMINAL


def test_every_state_of_a_delivery_has_its_row() -> None:
    assert set(delivery.MOVES) == set(State)
    assert {State.DELIVERED, State.SKIPPED, State.EXPIRED, State.CANCELLED} == delivery.TERMINAL


@pytest.mark.parametrize("moves", [notification.MOVES, delivery.MOVES], ids=["notification", "delivery"])
def test_no_state_moves_to_itself_and_every_one_can_end(moves: dict) -> None:
    ends = {state for state, following in moves.items() if not following}
    for state, following in moves.items():
        assert state not in following
        reached, new = {state}, {state}
        while new:
            new = set(itertools.chain.from_iterable(moves[one] for one in new)) - reached
            reached |= new
        assert reached & ends


def test_every_state_but_the_first_can_be_reached() -> None:
    for moves, first in ((notification.MOVES, Status.ACCEPTED), (delivery.MOVES, State.PENDING)):
        targets = set().union(*moves.values())
        assert set(moves) - targets <= {first}


def test_the_sources_of_a_state_are_the_table_read_backwards() -> None:
    assert notification.sources(Status.COMPLETED) == {Status.SENT}
    assert notification.sources(Status.ACCEPTED) == frozenset()
    for target in Status:
        for source in Status:
            assert (source in notification.sources(target)) == (target in notification.MOVES[source])


@pytest.mark.parametrize(
    ("status", "everyone", "counts", "told"),
    [
        (Status.SENT, False, {"delivered": 2}, Status.COMPLETED),
        (Status.SENT, False, {"delivered": 2, "expired": 1, "failed": 1}, Status.COMPLETED),
        (Status.SENT, False, {}, Status.COMPLETED),
        (Status.SENT, False, {"delivered": 2, "sent": 1}, Status.SENT),
        (Status.SENT, False, {"held": 1}, Status.HELD),
        (Status.SENT, False, {"held": 1, "delivered": 3, "skipped": 2}, Status.HELD),
        (Status.SENT, False, {"held": 1, "sent": 1}, Status.SENT),
        (Status.SENT, False, {"cancelled": 2, "skipped": 1}, Status.COMPLETED),
        (Status.SENT, True, {"held": 1}, Status.SENT),
        (Status.SCHEDULED, False, {}, Status.SCHEDULED),
        (Status.CANCELLED, False, {"held": 1, "cancelled": 1}, Status.CANCELLED),
        (Status.SENT, False, {"pending": 1}, Status.SENT),
        (Status.SENT, True, {"delivered": 2}, Status.SENT),
        (Status.SENDING, False, {}, Status.SENDING),
        (Status.CANCELLED, False, {}, Status.CANCELLED),
    ],
)
def test_sent_is_completed_with_nothing_open_and_held_with_nothing_but_held_ones(
    status: Status, everyone: bool, counts: dict[str, int], told: Status
) -> None:
    assert notification.shown(status, everyone=everyone, counts=counts) is told


def test_a_pending_delivery_of_what_is_published_is_called_sent() -> None:
    assert delivery.shown(State.PENDING, published=True) == "sent"
    assert delivery.shown(State.PENDING, published=False) == "pending"
    for state in set(State) - {State.PENDING}:
        assert delivery.shown(state, published=True) == delivery.shown(state, published=False) == state.value


def test_words_of_the_interface_lead_back_to_what_is_stored() -> None:
    for state in State:
        for published in (True, False):
            found, must = delivery.stored(delivery.shown(state, published=published))
            assert found is state
            assert must in (None, published)
    with pytest.raises(ValueError, match="lost"):
        delivery.stored("lost")
