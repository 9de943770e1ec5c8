"""A token that ends soon is renewed over the connection, which goes on."""

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("bellhop_client")

TokenSource = Callable[[bool], str | None]
"""Gives a token; `True` asks for a fresh one (the last was refused, or ends). None: signed out, stop."""


def renew(source: str | TokenSource, send: Callable[[dict[str, Any]], None]) -> None:
    """Ask for a fresh token and send it; without one the connection ends with the old one, and the next asks again."""
    if not callable(source):
        return
    try:
        fresh = True
        token = source(fresh)
    except Exception:
        log.exception("no fresh token")
        return
    if token is not None:
        send({"type": "refresh", "token": token, "ref": "refresh"})
