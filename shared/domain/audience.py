"""Who gets a notification: the named users less the excluded ones, each once, in the order of the sender.

Rule P.
"""

from collections.abc import Iterable, Iterator, Sequence


def recipients(users: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """`users` without repetition and without `exclude`."""
    out = frozenset(exclude)
    return [user for user in dict.fromkeys(users) if user not in out]


def pages(names: Sequence[str], size: int) -> Iterator[tuple[int, Sequence[str]]]:
    """`names` in numbered pages of `size`, from 0."""
    for number, start in enumerate(range(0, len(names), size)):
        yield number, names[start : start + size]
