"""Inboxes read over HTTP, while they grow and afterwards: whoever sees a number must see all below it.

Apart from the screens, because a screen waits for what is missing and would hide that it was late.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drills.frame import OK
from drills.http import Http

PAGE = 100
REST_S = 0.02
"""Between two looks of one reader: the readers must not be the load."""

Connect = Callable[[str], Http]
"""A caller that is this user."""


class Readers:
    """Threads that look at the newest page of some inboxes again and again."""

    def __init__(self, connect: Connect, users: Sequence[str], *, threads: int) -> None:
        self._connect = connect
        self._ending = threading.Event()
        self._highest = Counter[str]()
        self._lock = threading.Lock()
        self.looks = 0
        self.unanswered = 0
        self.early: list[tuple[str, list[int]]] = []
        """Whose page had a hole in it or was older than one seen before, and the numbers on it."""
        # Each inbox has one reader, so that what it saw before really was before.
        shares = [users[number::threads] for number in range(threads)]
        self._threads = [threading.Thread(target=self._run, args=(share,), daemon=True) for share in shares]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, users: Sequence[str]) -> None:
        callers = {user: self._connect(user) for user in users}
        while not self._ending.is_set():
            for user, http in callers.items():
                self._look(user, http)
                if self._ending.wait(REST_S):
                    break
        for http in callers.values():
            http.close()

    def _look(self, user: str, http: Http) -> None:
        try:
            seqs = newest(http)
        except OSError:
            seqs = None
        with self._lock:
            if seqs is None:
                self.unanswered += 1
                return
            self.looks += 1
            highest = seqs[0] if seqs else 0
            if holed(seqs) or highest < self._highest[user]:
                self.early.append((user, seqs))
            self._highest[user] = max(highest, self._highest[user])


def newest(http: Http) -> list[int] | None:
    """The numbers of the newest page, newest first; None if it was not answered."""
    answer = http.get(f"/v1/inbox?limit={PAGE}")
    return [item["seq"] for item in answer.body["items"]] if answer.status == OK else None


def holed(seqs: Sequence[int], *, page: int = PAGE) -> bool:
    """Whether a page, newest first, lacks a number: between two of its own, or below them where there is room."""
    if not seqs:
        return False
    whole = list(seqs) == list(range(seqs[0], seqs[0] - len(seqs), -1))
    return not whole or (len(seqs) < page and seqs[-1] != 1)


def everything(http: Http) -> list[dict[str, Any]]:
    """All items of an inbox, newest first."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = http.get(f"/v1/inbox?limit={PAGE}{cursor}")
        if answer.status != OK:
            raise ConnectionError(f"the inbox answers {answer.status}")
        items += answer.body["items"]
        if answer.body["next"] is None:
            return items
        cursor = f"&cursor={answer.body['next']}"


def faults(wanted: Mapping[str, set[str]], found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Counter[str]:
    """What is wrong in whole inboxes: `missing` and `twice` of ids, `left_out` of the numbers from 1 to the last."""
    counted = Counter({"missing": 0, "twice": 0, "left_out": 0})
    for user, items in found.items():
        ids = [item["id"] for item in items]
        seqs = {item["seq"] for item in items}
        counted["missing"] += len(wanted[user] - set(ids))
        counted["twice"] += len(ids) - len(set(ids))
        counted["left_out"] += max(seqs, default=0) - len(seqs)
    return counted
