"""A node that lets every connection begin at the newest place, whatever the client says it has."""

from dataclasses import replace

from shared.redis.streams import Connected, Since
from wsnode.session import Events, Session

_opened = Session.opened


def _open_at_the_top(self: Session, found: Connected, now: int) -> Events:
    if self.repair is not None and self.repair.since is not None:
        self.repair.since = Since()
        found = replace(found, acked=found.me_top, all_acked=found.all_top, me_tail=[], all_tail=[])
    return _opened(self, found, now)


Session.opened = _open_at_the_top  # type: ignore[method-assign]  # that is the control

from wsnode.app import app  # noqa: E402  # after the change, as the worker class finds it

__all__ = ["app"]
