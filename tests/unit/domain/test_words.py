"""Names that cannot be taken for others."""

import pytest

from shared.domain.words import is_unmistakable


@pytest.mark.parametrize("name", ["ana", "Ana Maria", "zoë", "李雷", "user-123", "a@b.example", "🙂"])
def test_what_shows_all_there_is_to_it(name: str):
    assert is_unmistakable(name)


@pytest.mark.parametrize(
    "name",
    [
        "ana ",
        " ana",
        "ana\u00a0",
        "a\u200bna",
        "\u202eana",
        "ana\ufeff",
        "\uff41na",
        "zoe\u0308",
        "\ufb01n",
        "a\u2028",
        "a\U000e0001",
    ],
)
def test_what_could_be_taken_for_another(name: str):
    assert not is_unmistakable(name)
