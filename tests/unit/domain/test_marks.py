"""Marks: what an action does, that doing it twice does it once, and that the numbers follow."""

from dataclasses import astuple
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.marks import CLEARS, FIELD, Action, Marks, Weight, apply, weigh

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)

marks = st.builds(
    Marks,
    seen_at=st.sampled_from([None, THEN]),
    read_at=st.sampled_from([None, THEN]),
    archived_at=st.sampled_from([None, THEN]),
)
actions = st.sampled_from(list(Action))


@given(marks, actions)
def test_a_second_time_changes_nothing(before: Marks, action: Action) -> None:
    once = apply(action, before, NOW)

    assert apply(action, once, NOW + timedelta(hours=1)) == once


@given(marks, actions)
def test_an_action_does_what_its_field_says(before: Marks, action: Action) -> None:
    after = getattr(apply(action, before, NOW), FIELD[action])

    assert (after is None) == (action in CLEARS)


@given(marks, actions)
def test_a_time_that_is_set_stays_as_it_is_or_goes(before: Marks, action: Action) -> None:
    for old, new in zip(astuple(before), astuple(apply(action, before, NOW)), strict=True):
        assert new in ((old, None) if old else (None, NOW))


def test_reading_is_seeing() -> None:
    assert apply(Action.READ, Marks(), NOW) == Marks(seen_at=NOW, read_at=NOW)
    assert apply(Action.READ, Marks(seen_at=THEN), NOW) == Marks(seen_at=THEN, read_at=NOW)
    assert apply(Action.UNREAD, Marks(THEN, THEN), NOW) == Marks(seen_at=THEN)


@given(marks)
def test_what_is_archived_is_neither_unseen_nor_unread(one: Marks) -> None:
    weight = weigh(one)

    if one.archived_at is not None:
        assert weight == Weight(archived=1)
    else:
        assert weight == Weight(unseen=int(one.seen_at is None), unread=int(one.read_at is None))


@given(st.lists(st.tuples(marks, actions)))
def test_adding_up_the_changes_is_counting_again(steps: list[tuple[Marks, Action]]) -> None:
    before = sum((weigh(one) for one, _ in steps), Weight())
    change = sum((weigh(apply(action, one, NOW)) - weigh(one) for one, action in steps), Weight())

    assert before + change == sum((weigh(apply(action, one, NOW)) for one, action in steps), Weight())
