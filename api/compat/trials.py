"""GET /error and /status-test, POST /zod-test: what contract B has to try its server with, in development.

Rule S.
"""

from typing import Final

import falcon
from pydantic import TypeAdapter, with_config
from pydantic.config import ConfigDict
from typing_extensions import TypedDict

from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.validation import check
from shared.errors import Internal


@with_config(ConfigDict(extra="ignore", strict=True))
class Tried(TypedDict):
    """A name, and a number."""

    name: str
    age: float


_TRIED: Final = TypeAdapter(Tried)


class Trials(Resource):
    """All three."""

    def on_get_error(self, _req: ApiRequest, _resp: falcon.Response) -> None:
        """Fail, to show what that looks like."""
        raise Internal("This is what an error looks like.")

    def on_get_status(self, _req: ApiRequest, resp: falcon.Response) -> None:
        """Succeed."""
        reply(resp, {"success": True, "data": {"service": "running"}})

    def on_post_zod(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Return what was sent, if it is a name and an age."""
        # As it was written: a whole number stays one.
        data = {name: req.body[name] for name in check(_TRIED, req.body)}
        reply(resp, {"success": True, "data": data})
