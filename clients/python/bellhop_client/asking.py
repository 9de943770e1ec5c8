"""What a program asks of the server, in the words of the protocol.

Apart from the client because none of it knows of sockets or threads: each is a kind of frame and its fields.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from bellhop_client.actions import Frame
from bellhop_client.reply import Reply
from bellhop_client.requests import sending


class Asking(ABC):
    """The requests of a client."""

    def read(self, ids: Sequence[str]) -> Reply:
        """Mark as read."""
        return self._request("read", {"ids": list(ids)})

    def seen(self, ids: Sequence[str]) -> Reply:
        """Mark as seen."""
        return self._request("seen", {"ids": list(ids)})

    def archive(self, ids: Sequence[str]) -> Reply:
        """Put away."""
        return self._request("archive", {"ids": list(ids)})

    def send(self, to: str | Frame, event: str, data: Frame | None = None, **options: Any) -> Reply:
        """Send to a user, or to whom `to` names; answers `{id, status}`. Needs the right to."""
        return self._request("send", sending(to, event, data or {}, options))

    def watch(self, users: str | Sequence[str]) -> Reply:
        """Be told by `presence` who comes and leaves, on later connections too; answers who is online now.

        The answer is `{users: [{user, online}]}`. Needs the right to.
        """
        return self._request("watch", {"users": _names(users)})

    def unwatch(self, users: str | Sequence[str] | None = None) -> Reply:
        """No longer; without names for all. Answers `{watching}`, how many are left."""
        return self._request("unwatch", {} if users is None else {"users": _names(users)})

    @abstractmethod
    def _request(self, kind: str, fields: Frame) -> Reply: ...


def _names(users: str | Sequence[str]) -> list[str]:
    return [users] if isinstance(users, str) else list(users)
