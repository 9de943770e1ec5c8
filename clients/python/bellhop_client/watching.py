"""Whose presence the program wants: asked once, and asked again by the client on every later connection.

Apart from the other requests because a node forgets whom a connection watched, while the program does not.
"""

from typing import Any

from bellhop_client.actions import Action, Emit, Frame, Send
from bellhop_client.requests import Requests

AGAIN = "watch"
"""The `ref` of what the client asks by itself; those of requests are `r1`, `r2` …"""


class Watching(Requests):
    """Open requests, and the watched users with what was last known of each (None: nothing yet).

    A watch that the server refuses is forgotten; one that timed out is asked again on the next connection.
    """

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self._known: dict[str, bool | None] = {}
        self._again_at: float | None = None

    def add(self, kind: str, fields: Frame, now: float) -> tuple[str, Frame]:
        if kind == "watch":
            for user in fields["users"]:
                self._known.setdefault(user, None)
        elif kind == "unwatch":
            for user in fields.get("users", list(self._known)):
                self._known.pop(user, None)
        return super().add(kind, fields, now)

    def resume(self, now: float) -> list[Action]:
        """A connection is welcomed: watch again, and ask again what has no answer yet."""
        return [*self._watch_again(now), *(Send(frame) for frame in self.frames())]

    def parted(self) -> None:
        """The connection is over: nothing is asked again before the next one."""
        self._again_at = None

    def learn(self, answer: Frame) -> list[Action]:
        """Take what a reply says of watched users; tells of those who are not as they were known."""
        ref = answer.get("ref")
        asked = self._open[ref][0] if isinstance(ref, str) and ref in self._open else {}
        if ref != AGAIN and asked.get("type") != "watch":
            return []
        if answer["type"] == "error":
            self._refused(asked.get("users", []))
            self._again_at = self._again_at if ref != AGAIN or answer.get("retryable") else None
            return []
        self._again_at = None if ref == AGAIN else self._again_at
        result = answer.get("result")
        states = result.get("users") if isinstance(result, dict) else None
        return [told for state in states or [] for told in self._believe(state)]

    def heard(self, frame: Frame) -> list[Action]:
        """Tell what a signal says of a watched user."""
        user, online = frame.get("user"), frame.get("online")
        if frame.get("signal") != "presence" or user not in self._known or not isinstance(online, bool):
            return []
        self._known[user] = online
        return [_presence(user, online, frame.get("at"))]

    def expire(self, now: float) -> list[Action]:
        late = super().expire(now)
        due = self._again_at is not None and self._again_at <= now
        return [*late, *self._watch_again(now)] if due else late

    def refuse(self) -> list[Action]:
        self.parted()
        return super().refuse()

    def next_at(self) -> float | None:
        times = (super().next_at(), self._again_at)
        return min((time for time in times if time is not None), default=None)

    def _watch_again(self, now: float) -> list[Action]:
        """One frame for all of them, less those that an open request is the first to ask for."""
        asked = {user for frame in self.frames() if frame["type"] == "watch" for user in frame["users"]}
        users = [user for user, online in self._known.items() if online is not None or user not in asked]
        self._again_at = now + self._wait if users else None
        return [Send({"type": "watch", "users": users, "ref": AGAIN})] if users else []

    def _refused(self, users: list[str]) -> None:
        for user in users:
            if self._known.get(user) is None:
                self._known.pop(user, None)

    def _believe(self, state: Frame) -> list[Action]:
        user, online = state["user"], state["online"]
        if user not in self._known:
            return []
        before, self._known[user] = self._known[user], online
        # When it changed, nobody heard.
        return [] if before is None or before is online else [_presence(user, online, None)]


def _presence(user: str, online: bool, at: Any) -> Emit:  # noqa: FBT001 - the fields of the event
    return Emit("presence", {"user": user, "online": online, "at": at})
