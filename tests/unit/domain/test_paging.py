"""Cursors: what was encoded comes back, anything else is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.paging import BadCursor, decode, encode


@given(st.integers(0, 2**63 - 1), st.text(max_size=36))
def test_a_position_comes_back(number: int, word: str) -> None:
    assert decode("list", encode("list", number, word), (int, str)) == [number, word]


@given(st.text(max_size=60))
def test_other_text_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(BadCursor):
        decode("list", text, (int,))


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "3",
        '{"0":"list"}',
        '["list"]',
        '["list",1,2]',
        '["list",true]',
        '["list",1.0]',
        '["list",null]',
        '["list","1"]',
        "[",
    ],
)
def test_a_wrong_shape_is_refused(content: str) -> None:
    text = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()

    with pytest.raises(BadCursor):
        decode("list", text, (int,))


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadCursor):
        decode("list", encode("other", 1), (int,))
