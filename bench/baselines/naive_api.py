"""An intake that calls `apply_async` in every request: the obvious way, and what group commit is compared with."""

import os
import uuid

import falcon
import orjson

from bench.baselines.naive_tasks import deliver


class Notifications:
    """POST one notification, enqueue one Celery task."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Check the key and the few fields, enqueue, say accepted."""
        if req.auth != f"Bearer {os.environ['NAIVE_KEY']}":
            raise falcon.HTTPUnauthorized
        body = orjson.loads(req.bounded_stream.read())
        if not body["to"]["users"] or not isinstance(body["data"], dict) or not body["event"]:
            raise falcon.HTTPUnprocessableEntity
        body["id"] = str(uuid.uuid4())
        deliver.apply_async(args=(body,))
        resp.status = falcon.HTTP_202
        resp.media = {"id": body["id"], "status": "accepted"}


def make_app() -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    app = falcon.App()
    app.add_route("/v1/notifications", Notifications())
    return app


application = make_app()
