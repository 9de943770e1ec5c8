"""HTTP as a backend's worker thread uses it: one connection kept open, one credential, a deadline.

Not the tests' caller: a drill asks thousands of times, from several threads, of a service that is being hurt.
"""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case) and the parsed body."""

    status: int
    headers: dict[str, str]
    body: Any


class Http:
    """A caller with a connection of its own; not to be shared between threads."""

    def __init__(self, base: str, credential: str, *, seconds: float = SECONDS) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> Answer:
        """GET. Raises OSError if there is no answer."""
        return self.call("GET", path, None, {})

    def post(self, path: str, body: Any, *, key: str = "") -> Answer:
        """POST JSON, with an Idempotency-Key if one is given. Raises OSError if there is no answer."""
        return self.call("POST", path, json.dumps(body).encode(), {"Idempotency-Key": key} if key else {})

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """One request. Raises OSError if there is no answer, and starts with a new connection the next time."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._seconds)
        try:
            self._connection.request(method, path, body, {**self._headers, **headers})
            answer = self._connection.getresponse()
            raw = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            is_json = "json" in named.get("content-type", "") and raw
            return Answer(answer.status, named, json.loads(raw) if is_json else raw.decode(errors="replace"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
