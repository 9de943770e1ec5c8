"""GET /v1/topics, /v1/topics/{topic}/subscribers and what is below it, GET /v1/users/{id}/topics.

Rule S.
"""

from typing import Final

import falcon

from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.common import USER_ID, USER_ID_SHAPE
from api.schemas.topics import PATTERN
from api.subscriptions import Subscriptions
from api.validation import check_at

REMOVE: Final = "remove"
"""The last word of the route that unsubscribes many; a user may have that name too."""


class TopicBox(Resource):
    """Topics and who is subscribed to them."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List those that have subscribers."""
        reply(resp, self._subscriptions.topics(req.app, req.query))

    def on_get_of_user(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """List what a user is subscribed to."""
        check_at("id", USER_ID, user, USER_ID_SHAPE)
        reply(resp, self._subscriptions.of_user(req.app, user, req.query))

    def on_get_subscribers(self, req: ApiRequest, resp: falcon.Response, topic: str) -> None:
        """List who is subscribed."""
        check_at("topic", PATTERN, topic)
        reply(resp, self._subscriptions.subscribers(req.app, topic, req.query))

    def on_post_subscribers(self, req: ApiRequest, resp: falcon.Response, topic: str) -> None:
        """Subscribe many."""
        check_at("topic", PATTERN, topic)
        reply(resp, {"added": self._subscriptions.add(req.app, topic, req.body["users"])})

    def on_post_remove(self, req: ApiRequest, resp: falcon.Response, topic: str) -> None:
        """Unsubscribe many."""
        check_at("topic", PATTERN, topic)
        reply(resp, {"removed": self._subscriptions.remove(req.app, topic, req.body["users"])})

    def on_put_one(self, req: ApiRequest, resp: falcon.Response, topic: str, user: str) -> None:
        """Subscribe one."""
        _check(topic, user)
        self._subscriptions.add(req.app, topic, [user])
        resp.status = falcon.HTTP_204

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, topic: str, user: str) -> None:
        """Unsubscribe one."""
        _check(topic, user)
        self._subscriptions.remove(req.app, topic, [user])
        resp.status = falcon.HTTP_204

    def on_put_remove(self, req: ApiRequest, resp: falcon.Response, topic: str) -> None:
        """Subscribe the user of that name, whom the route of many hides."""
        self.on_put_one(req, resp, topic, REMOVE)

    def on_delete_remove(self, req: ApiRequest, resp: falcon.Response, topic: str) -> None:
        """Unsubscribe the user of that name."""
        self.on_delete_one(req, resp, topic, REMOVE)


def _check(topic: str, user: str) -> None:
    check_at("topic", PATTERN, topic)
    check_at("user", USER_ID, user, USER_ID_SHAPE)
