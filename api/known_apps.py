"""Which apps exist: asked of the database once each, since apps are never taken away.

Rule U. An API key belongs to an app that exists; a token only names one, and what was accepted for an app without a row
could never be stored.
"""

from collections.abc import Callable

from shared.errors import Forbidden


class KnownApps:
    """Remembers the apps that were found."""

    def __init__(self, exists: Callable[[str], bool], *, known: str) -> None:
        """`known` is there in any case: the first migration makes it."""
        self._exists = exists
        self._known = {known}

    def check(self, app: str) -> None:
        """Raise Forbidden if there is no such app."""
        if app in self._known:
            return
        if not self._exists(app):
            raise Forbidden(f"There is no app {app}.")
        self._known.add(app)
