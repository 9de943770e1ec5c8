"""The envelope `retract`, as lua/retract.lua and retract_all.lua write it: notifications that are taken back."""

from dataclasses import dataclass

import orjson

Numbers = tuple[int, int, int, int]
"""total, unseen, unread, archived."""


@dataclass(frozen=True, slots=True)
class Retract:
    """Taken back from `users`, each with the rev and the numbers of the inbox after it; None: from everyone."""

    app: str
    ids: list[str]
    reason: str
    users: list[tuple[str, int, Numbers]] | None


def decode_retract(words: list[str], rest: bytes) -> Retract:
    """From the words of the first line and what follows it. Raises ValueError for what no worker of ours wrote."""
    app, scope = words
    head, *lines = rest.split(b"\n")
    what = orjson.loads(head)
    users: list[tuple[str, int, Numbers]] = []
    for line in lines:
        rev, total, unseen, unread, archived, user = line.split(b" ", 5)
        users.append((user.decode(), int(rev), (int(total), int(unseen), int(unread), int(archived))))
    return Retract(app, what["ids"], what["reason"], None if scope == "all" else users)
