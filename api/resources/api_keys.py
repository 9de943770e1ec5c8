"""POST, GET /v1/api-keys, POST /v1/api-keys/{id}/rotate and DELETE /v1/api-keys/{id}.

Rule S.
"""

import falcon

from api import instants
from api.keys import OVERLAP_SECONDS, Keys, Wanted, check_given
from api.request import ApiRequest
from api.resources.base import Resource, reply


class ApiKeys(Resource):
    """The keys of an app."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make one; the secret is in this answer and never again."""
        expires_at = req.body.get("expires_at")
        wanted = Wanted(
            name=req.body["name"],
            scopes=check_given(req.body["scopes"], req.principal.scopes),
            expires_at=None if expires_at is None else instants.read("expires_at", expires_at),
        )
        document, made = self._keys.make(req.app, wanted)
        reply(resp, {**document, "key": made.secret}, 201)

    def on_post_rotate(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Make the one that takes its place."""
        overlap = req.body.get("overlap", OVERLAP_SECONDS)
        document, made = self._keys.rotate(req.app, id, held=req.principal.scopes, overlap=overlap)
        reply(resp, {**document, "key": made.secret}, 201)

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        reply(resp, self._keys.page(req.app, req.query.get("cursor")))

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Revoke one."""
        self._keys.revoke(req.app, id)
        resp.status = falcon.HTTP_204
