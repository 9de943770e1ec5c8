"""Array literals for PostgreSQL; that the server reads them so is shown by tests/integration/store."""

import pytest

from shared.store.bulk_postgres import numbers, words


@pytest.mark.parametrize(
    ("values", "literal"),
    [([], "{}"), ([1, -2, 3], "{1, -2, 3}"), ([None, 7], "{NULL, 7}"), ([True, False], "{True, False}")],
)
def test_numbers(values: list[int | None], literal: str) -> None:
    assert numbers(values) == literal


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        ([], "{}"),
        (["a", "b c"], '{"a","b c"}'),
        ([None, "NULL", ""], '{NULL,"NULL",""}'),
        (['say "hi"', "back\\slash", "{a,b}"], '{"say \\"hi\\"","back\\\\slash","{a,b}"}'),
    ],
)
def test_words(values: list[str | None], literal: str) -> None:
    assert words(values) == literal
