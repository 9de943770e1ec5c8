"""Who is connected here: app and user to connections, and a connection's number to itself. Pure bookkeeping.

A user with one connection costs one entry in one dictionary; only a second connection makes a tuple.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    """What the hub must know of a connection."""

    @property
    def number(self) -> int:
        """Unique on this node."""
        ...

    @property
    def user(self) -> str:
        """Whose connection it is."""
        ...


M = TypeVar("M", bound=Member)


class Room(Generic[M]):
    """The connections of one app. `epoch` is that of its streams as this node knows it; empty until it does."""

    __slots__ = ("app", "by_user", "connections", "epoch")

    def __init__(self, app: str) -> None:
        self.app = app
        self.epoch = ""
        self.connections: dict[int, M] = {}
        self.by_user: dict[str, M | tuple[M, ...]] = {}

    def of(self, user: str) -> tuple[M, ...]:
        """The user's connections."""
        found = self.by_user.get(user)
        if found is None:
            return ()
        return found if isinstance(found, tuple) else (found,)

    def users(self) -> list[str]:
        """Everybody who is connected, as of now."""
        return list(self.by_user)

    def add(self, member: M) -> None:
        """Register a connection."""
        self.connections[member.number] = member
        others = self.of(member.user)
        self.by_user[member.user] = (*others, member) if others else member

    def remove(self, member: M) -> bool:
        """Take a connection out; True if it was the user's last."""
        if self.connections.pop(member.number, None) is None:
            return False
        left = tuple(other for other in self.of(member.user) if other is not member)
        if left:
            self.by_user[member.user] = left if len(left) > 1 else left[0]
        else:
            del self.by_user[member.user]
        return not left


class Hub(Generic[M]):
    """All rooms of this node; `node` is its id and the first half of every connection's name."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._rooms: dict[str, Room[M]] = {}
        self._members: dict[int, M] = {}

    def __len__(self) -> int:
        return len(self._members)

    def room(self, app: str) -> Room[M]:
        """The room of an app, made when first asked for by somebody who signed in."""
        found = self._rooms.get(app)
        if found is None:
            found = self._rooms[app] = Room(app)
        return found

    def known(self, app: str) -> Room[M] | None:
        """The room of an app, if anybody of it was ever here."""
        return self._rooms.get(app)

    def rooms(self) -> Iterator[Room[M]]:
        """Every room, as of now."""
        return iter(list(self._rooms.values()))

    def members(self) -> Iterable[M]:
        """Every connection, as of now."""
        return list(self._members.values())

    def named(self, name: str) -> M | None:
        """The connection of that name, if it is here and open."""
        node, _, number = name.rpartition(".")
        try:
            return self._members.get(int(number, 16)) if node == self.node else None
        except ValueError:
            return None

    def add(self, app: str, member: M) -> Room[M]:
        """Register a connection that has signed in."""
        room = self.room(app)
        room.add(member)
        self._members[member.number] = member
        return room

    def remove(self, app: str, member: M) -> bool:
        """Take a connection out; True if it was its user's last on this node."""
        self._members.pop(member.number, None)
        return self.room(app).remove(member)
