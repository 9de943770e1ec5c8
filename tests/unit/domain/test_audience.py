"""Who gets a notification."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audience import pages, recipients

names = st.lists(st.sampled_from("abcdefgh"))


@given(names, names)
def test_each_named_user_once_in_order_and_no_excluded_one(users: list[str], exclude: list[str]) -> None:
    found = recipients(users, exclude)

    assert set(found) == set(users) - set(exclude)
    assert found == sorted(set(found), key=users.index)


@given(st.lists(st.integers().map(str), max_size=50), st.integers(1, 12))
def test_pages_put_together_are_the_audience(users: list[str], size: int) -> None:
    cut = list(pages(users, size))

    assert [number for number, _ in cut] == list(range(len(cut)))
    assert [name for _, part in cut for name in part] == users
    assert all(len(part) == size for _, part in cut[:-1])
