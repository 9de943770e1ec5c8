"""Who gets a notification."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audience import pages, recipients, repaged

names = st.lists(st.sampled_from("abcdefgh"))


@given(names, names)
def test_each_named_user_once_in_order_and_no_excluded_one(users: list[str], exclude: list[str]) -> None:
    found = recipients(users, exclude)

    assert set(found) == set(users) - set(exclude)
    assert found == sorted(set(found), key=users.index)


@given(st.lists(st.integers().map(str), max_size=50), st.integers(1, 12))
def test_pages_put_together_are_the_audience(users: list[str], size: int) -> None:
    cut = list(pages(users, size))

    assert [name for part in cut for name in part] == users
    assert all(len(part) == size for part in cut[:-1])


@given(st.lists(st.lists(st.integers().map(str), max_size=20), max_size=8), st.integers(1, 12))
def test_parts_of_any_length_become_the_same_pages(parts: list[list[str]], size: int) -> None:
    together = [name for part in parts for name in part]

    assert list(repaged(parts, size)) == list(pages(together, size))
