"""The api with two holes in its wall: it reads anybody's user and deletes anybody's cap.

A control for tests/integration/api/walls.py; gunicorn runs it in the place of api.wsgi.
"""

from typing import Any

from api.caps import Caps
from api.people import People

_get, _delete = People.get, Caps.delete


def _get_anybody(self: People, _app: str, name: str) -> Any:
    return _get(self, "main", name)


def _delete_anybodys(self: Caps, _app: str, id: str) -> None:
    _delete(self, "main", id)


People.get = _get_anybody  # type: ignore[method-assign]
Caps.delete = _delete_anybodys  # type: ignore[method-assign]

from api.wsgi import app  # noqa: E402, F401  # after the holes are there
