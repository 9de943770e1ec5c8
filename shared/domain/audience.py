"""Who gets a notification: the named users less the excluded ones, each once, in the order of the sender.

Rule P.
"""

from collections.abc import Iterable, Iterator, Sequence


def recipients(users: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """`users` without repetition and without `exclude`."""
    out = frozenset(exclude)
    return [user for user in dict.fromkeys(users) if user not in out]


def pages(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """`names` in pages of `size`."""
    for start in range(0, len(names), size):
        yield names[start : start + size]


def repaged(parts: Iterable[Sequence[str]], size: int) -> Iterator[Sequence[str]]:
    """The names in `parts`, however long each of them is, in pages of `size`."""
    page: list[str] = []
    for part in parts:
        page.extend(part)
        while len(page) >= size:
            yield page[:size]
            page = page[size:]
    if page:
        yield page
