"""What all resources share: HEAD is GET without its body.

Rule S. Falcon leaves the body out by itself, but has to be told that the method exists.
"""

from typing import Any

import falcon
import orjson

_GET = "on_get"


class Resource:
    """Base of every resource."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Answer HEAD wherever there is GET."""
        super().__init_subclass__(**options)
        for name in [name for name in vars(cls) if name.startswith(_GET)]:
            setattr(cls, name.replace(_GET, "on_head", 1), getattr(cls, name))


def reply(resp: falcon.Response, value: Any, status: int = 200) -> None:
    """Answer with JSON."""
    resp.status = status
    resp.data = orjson.dumps(value)
