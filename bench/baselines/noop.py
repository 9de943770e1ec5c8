"""The ceiling of an API process: Falcon under the same server, reading the body and answering a constant 202.

Whatever the intake reaches is a fraction of this; the rest is what it does for its callers.
"""

import falcon

_ANSWER = b'{"id":"00000000-0000-7000-8000-000000000000","status":"accepted"}'


class Notifications:
    """The route of the real intake, doing nothing."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the body, say accepted."""
        req.bounded_stream.read()
        resp.status = falcon.HTTP_202
        resp.content_type = "application/json"
        resp.data = _ANSWER


def make_app() -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    app = falcon.App()
    app.add_route("/v1/notifications", Notifications())
    return app


application = make_app()
