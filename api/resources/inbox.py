"""GET /v1/inbox and /v1/inbox/counts, POST /v1/inbox/{read,unread,seen,archive,unarchive}.

Rule S.
"""

from collections.abc import Sequence
from typing import Any

import falcon

from api import instants
from api.inboxes import Inboxes
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.validation import invalid
from shared.domain.marks import Action
from shared.services.inbox import Filter, Listing


class Inbox(Resource):
    """The inbox of the user whose token it is."""

    def __init__(self, inboxes: Inboxes) -> None:
        self._inboxes = inboxes

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List it, newest first."""
        reply(resp, self._inboxes.page(req.app, req.user(), Listing(**req.query)))

    def on_get_counts(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Count it."""
        reply(resp, self._inboxes.counts(req.app, req.user()))


class InboxMark(Resource):
    """One way to mark in the inbox of the user whose token it is."""

    def __init__(self, inboxes: Inboxes, action: Action) -> None:
        self._inboxes = inboxes
        self._action = action

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Mark."""
        reply(resp, self._inboxes.mark(req.app, req.user(), self._action, _what(req.body)))


def _what(body: dict[str, Any]) -> Sequence[str] | Filter:
    """Return the ids or the filter; never silently everything because nothing was said."""
    if ("ids" in body) == ("filter" in body):
        raise invalid("body", "Give either ids or filter.")
    if "ids" in body:
        ids: list[str] = body["ids"]
        return ids
    asked = body["filter"]
    before = asked.get("before")
    return Filter(
        state=asked.get("state"),
        event=asked.get("event"),
        before=None if before is None else instants.read("filter.before", before),
    )
