"""How a connection begins: address, headers and first message, for each way to sign in.

Pure, so that what goes over the wire first can be tested without a wire.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from bellhop_client.actions import Frame, Position

SignIn = Literal["header", "message"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What to dial, and what to say first."""

    url: str
    headers: list[str]
    first: Frame | None = None


def opening(url: str, token: str, position: Position, sign_in: SignIn) -> Opening:
    """The token goes where it was asked for, and `since` with it."""
    since = position.since()
    if sign_in == "message":
        first: Frame = {"type": "auth", "token": token}
        return Opening(url, [], {**first, "since": since} if since else first)
    if since:
        url += ("&" if "?" in url else "?") + urlencode(since)
    return Opening(url, [f"Authorization: Bearer {token}"])
