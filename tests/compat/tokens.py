"""Tokens as the earlier designs sign them: HS256 with the shared secret, the user in `userId`, no `kid`."""

import time
from typing import Any

import jwt

from launcher.system import System


def their_token(system: System, user: Any, *, seconds: int = 600, **claims: Any) -> str:
    """`jwt.sign({ userId }, SECRET, { expiresIn })` with the oldest of our secrets; `seconds` 0 leaves the end out."""
    now = int(time.time())
    ends = {"exp": now + seconds} if seconds else {}
    secret = system.settings.signing_keys()[-1].secret
    return jwt.encode({"userId": user, "iat": now, **ends, **claims}, secret, algorithm="HS256")
