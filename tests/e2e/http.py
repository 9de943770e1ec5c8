"""HTTP as a backend would use it: standard library, one call, status and JSON back."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Status, headers and the parsed body of one answer."""

    status: int
    headers: dict[str, str]
    body: Any


class Http:
    """A caller with one credential; with an empty one nobody."""

    def __init__(self, base: str, credential: str) -> None:
        self.base = base
        self._credential = credential

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", path, body, headers)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request; headers are given with underscores: `idempotency_key="k"`."""
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                **({"Authorization": f"Bearer {self._credential}"} if self._credential else {}),
                "Content-Type": "application/json",
                **named,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return self._answer(answer)
        except urllib.error.HTTPError as error:
            with error:
                return self._answer(error)

    def notify(self, *users: str, event: str = "test.note", **fields: Any) -> str:
        """POST a notification to users and return its id; anything but a 202 is a failure."""
        answer = self.post("/v1/notifications", {"to": {"users": list(users)}, "event": event, **fields})
        assert answer.status == 202, answer
        return str(answer.body["id"])

    def tell_everyone(self, *, exclude: tuple[str, ...] = (), **fields: Any) -> str:
        """POST a notification to everyone and return its id."""
        to = {"everyone": True, "exclude": {"users": list(exclude)}}
        answer = self.post("/v1/notifications", {"to": to, "event": "test.all", **fields})
        assert answer.status == 202, answer
        return str(answer.body["id"])

    @staticmethod
    def _answer(answer: Any) -> Answer:
        raw = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
        body = json.loads(raw) if raw and is_json else raw.decode(errors="replace")
        return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)
