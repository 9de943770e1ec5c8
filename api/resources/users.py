"""PUT, GET, DELETE /v1/users/{id}, and POST /v1/users/{id}/disable and enable.

Rule S.
"""

from typing import Any

import falcon
import orjson

from api import instants
from api.people import People
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.common import USER_ID, USER_ID_SHAPE
from api.validation import check_at
from shared.services.users import UserRow


class Users(Resource):
    """What is known of a user."""

    def __init__(self, people: People) -> None:
        self._people = people

    def on_put(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Create or replace it."""
        check_at("id", USER_ID, user, USER_ID_SHAPE)
        found, created = self._people.put(req.app, user, req.body)
        reply(resp, _document(found), 201 if created else 200)

    def on_get(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Tell it."""
        reply(resp, _document(self._people.get(req.app, user)))

    def on_delete(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Erase the person."""
        self._people.erase(req.app, user)
        resp.status = falcon.HTTP_204

    def on_post_disable(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Let a user in no more."""
        check_at("id", USER_ID, user, USER_ID_SHAPE)
        reply(resp, _document(self._people.disable(req.app, user)))

    def on_post_enable(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Let a user in again."""
        reply(resp, _document(self._people.enable(req.app, user)))


def _document(row: UserRow) -> dict[str, Any]:
    return {
        "id": row.name,
        "attributes": orjson.Fragment(row.attributes),
        "locale": row.locale,
        "timezone": row.timezone,
        "created_at": instants.write(row.created_at),
        "updated_at": instants.write(row.updated_at),
        "disabled_at": instants.write(row.disabled_at),
    }
