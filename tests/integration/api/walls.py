"""The tenant wall, tried on every operation: who may not, gets nothing, learns nothing and changes nothing.

A route is tried as soon as it is in the table. What it takes in its path and its body stands here; one that is not
known here fails its test, so that nobody forgets to think about it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from api.routing import Operation
from shared.auth.principal import KEY_SCOPES, USER_SCOPES
from tests.integration.api.support import Answer, Api, give_one_up, store_all

MARK = "b1e55edc0ffee"
"""In everything of the app main that no foreigner names; it must be in no answer to one."""

FOREIGN = "shop"
MOMENTS = ("counted_at", "last_used_at")
_NOTIFICATION = {"to": {"users": ["ana"]}, "event": "order.paid"}
_RULE = {"attribute": "plan", "is": "paid"}
_CAP = {"limit": 9, "per": 60, "action": "drop"}

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/notifications"): _NOTIFICATION,
    ("POST", "/v1/notifications/batch"): {"notifications": [_NOTIFICATION]},
    ("POST", "/v1/notifications/preview"): {"to": {"users": ["ana"], "topics": ["of/main"]}},
    ("POST", "/v1/notifications/{id}/cancel"): {},
    ("POST", "/v1/notifications/cancel"): {"cancel_key": "of-main"},
    ("POST", "/v1/schedules"): {"every": 86_400, "notification": _NOTIFICATION},
    ("PATCH", "/v1/schedules/{id}"): {"name": "of shop"},
    ("POST", "/v1/inbox/seen"): {"ids": ["{notification}"]},
    ("POST", "/v1/inbox/read"): {"ids": ["{notification}"]},
    ("POST", "/v1/inbox/unread"): {"ids": ["{notification}"]},
    ("POST", "/v1/inbox/archive"): {"ids": ["{notification}"]},
    ("POST", "/v1/inbox/unarchive"): {"ids": ["{notification}"]},
    ("PUT", "/v1/users/{user:user}"): {"attributes": {"plan": "of shop"}},
    ("POST", "/v1/topics/{topic:topic}/subscribers"): {"users": ["eve"]},
    ("POST", "/v1/topics/{topic:topic}/subscribers/remove"): {"users": ["ana"]},
    ("POST", "/v1/segments/preview"): {"rule": _RULE},
    ("PUT", "/v1/segments/{name}"): {"rule": _RULE},
    ("PUT", "/v1/caps/{id}"): _CAP,
    ("POST", "/v1/api-keys"): {"name": "of shop", "scopes": ["users:read"]},
    ("POST", "/v1/api-keys/{id}/rotate"): {"overlap": 0},
    ("POST", "/v1/presence"): {"users": ["ana"]},
    ("POST", "/v1/dev/sign-in"): {"user": "eve"},
    ("POST", "/v1/auth/register"): {"username": "ana", "password": "taken it over"},
    ("POST", "/v1/auth/login"): {"username": "ana", "password": "taken it over"},
    ("POST", "/v1/auth/refresh"): {"refresh": "br_" + "A" * 43},
    ("POST", "/v1/auth/logout"): {"refresh": "br_" + "A" * 43},
    ("POST", "/v1/auth/password"): {"old": "taken it over", "new": "taken it over again"},
}
"""What is sent; it names what is main's, wherever it can."""

WORDS = {
    ("PUT", "/v1/users/{user:user}"),
    ("POST", "/v1/users/{user:user}/disable"),
    ("POST", "/v1/users/{user:user}/enable"),
    ("PUT", "/v1/segments/{name}"),
    ("PUT", "/v1/caps/{id}"),
    ("GET", "/v1/users/{user:user}/topics"),
    ("GET", "/v1/users/{user:user}/presence"),
    ("GET", "/v1/topics/{topic:topic}/subscribers"),
    ("POST", "/v1/topics/{topic:topic}/subscribers"),
    ("POST", "/v1/topics/{topic:topic}/subscribers/remove"),
    ("PUT", "/v1/topics/{topic:topic}/subscribers/{user:user}"),
    ("DELETE", "/v1/topics/{topic:topic}/subscribers/{user:user}"),
}
"""Where the name in the path is a word that every app may use for itself, so that there is an answer about its own."""


ELSEWHERE = {"retry": "failed", "disable": "disabled", "enable": "disabled"}
"""By the end of a path what it names, where that is not what others name: a foreigner could not go on as a user that he
has disabled."""


@dataclass
class Planted:
    """What is in the app main: things that a foreigner names, and others, full of the mark, that he does not."""

    api: Api
    names: dict[str, str] = field(default_factory=dict)
    """The value of a parameter by the word before it in a path."""

    hidden: set[str] = field(default_factory=set)
    lacking: dict[str, str] = field(default_factory=dict)
    """For each scope a key of main that has all others."""

    def __post_init__(self) -> None:
        made = self._plant("ana", "of/main", "daily", "paid", key="of-main")
        self._plant(f"{MARK}-user", f"{MARK}/topic", f"{MARK}-cap", f"{MARK}-segment", key=MARK)
        self._main("PUT", "/v1/users/zoe")
        give_one_up(self.api)
        failed = self._main("GET", "/v1/dead-letters").json["items"][0]["id"]
        self.names = {**made, "failed": failed, "disabled": "zoe", "api-keys": self.api.key.split("_")[1]}
        self.hidden |= {
            MARK,
            *(self.names[word] for word in ("notifications", "schedules", "api-keys", "failed")),
        }
        for scope in sorted(KEY_SCOPES):
            self.lacking[scope] = self.api.key_of("main", KEY_SCOPES - {scope})
        self.foreign_key = self.api.key_of(FOREIGN)
        self.before = self.state()

    def _main(self, method: str, path: str, body: Any = None, *, auth: str = "") -> Answer:
        answer = self.api.call(method, path, body, auth=auth)
        assert answer.status < 300, (method, path, answer.body)
        return answer

    def _plant(self, user: str, topic: str, cap: str, segment: str, *, key: str) -> dict[str, str]:
        quoted, attribute = quote(topic, safe=""), {"attribute": MARK, "is": "x"}
        self._main("PUT", f"/v1/users/{user}", {"attributes": {"secret": MARK}})
        self._main("PUT", f"/v1/topics/{quoted}/subscribers/{user}")
        self._main("PUT", f"/v1/segments/{segment}", {"rule": attribute})
        self._main(
            "PUT", f"/v1/caps/{cap}", {"limit": 3, "per": 60, "action": "drop", "event": f"{MARK}.cap"}
        )
        content = {"to": {"users": [user]}, "event": f"{MARK}.event", "data": {"secret": MARK}}
        sent = self._main("POST", "/v1/notifications", {**content, "cancel_key": key}).json["id"]
        store_all(self.api)
        # This one stays in the journal.
        waiting = self._main("POST", "/v1/notifications", content).json["id"]
        every = {"every": 86_400, "name": MARK, "notification": content}
        schedule = self._main("POST", "/v1/schedules", every).json["id"]
        session = self._session(user)
        self.hidden |= {waiting, schedule, sent, session}
        return {
            "notifications": sent,
            "schedules": schedule,
            "caps": cap,
            "segments": segment,
            "users": user,
            "topics": topic,
            "subscribers": user,
            "sessions": session,
        }

    def _session(self, user: str) -> str:
        """The id of a session of this user, who gets an account for it."""
        account = {"username": user, "password": "nobody else's"}
        self._main("POST", "/v1/auth/register", account)
        access = self._main("POST", "/v1/auth/login", account).json["access"]
        return str(self._main("GET", "/v1/auth/sessions", auth=access).json["items"][0]["id"])

    def state(self) -> dict[str, Any]:
        """Everything of main, as main sees it."""
        ana = self.api.token("ana", scopes=KEY_SCOPES)
        paths = (
            "/v1/notifications",
            f"/v1/notifications/{self.names['notifications']}",
            f"/v1/notifications/{self.names['notifications']}/deliveries",
            "/v1/dead-letters",
            "/v1/users/ana",
            "/v1/users/zoe",
            "/v1/auth/sessions",
            "/v1/users/ana/topics",
            "/v1/topics/of%2Fmain/subscribers",
            "/v1/topics",
            "/v1/segments",
            "/v1/caps",
            "/v1/schedules",
            f"/v1/schedules/{self.names['schedules']}/runs",
            "/v1/inbox",
            "/v1/api-keys",
        )
        found = {path: self._main("GET", path, auth=ana).json for path in paths}
        return {path: _lasting(answer) for path, answer in found.items()}


def _lasting(value: Any) -> Any:
    """Without what tells when somebody looked."""
    if isinstance(value, dict):
        return {name: _lasting(each) for name, each in value.items() if name not in MOMENTS}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Stranger:
    """Somebody who asks; `status` is what he must get, None where the operation decides."""

    name: str
    credential: str | None
    status: int | None


def strangers(planted: Planted, operation: Operation) -> Iterator[Stranger]:
    """Everybody who has no business with what is main's, or with this operation."""
    api, scope = planted.api, operation.scope
    if scope is None:
        yield Stranger("nobody", None, None)
        return
    for_users = scope in USER_SCOPES
    usual = USER_SCOPES | set(api.settings.user_scopes)
    yield Stranger("nobody", None, 401)
    yield Stranger("no scope", api.key if for_users else planted.lacking[scope], 403)
    yield Stranger("another user", api.token("bob"), None if scope in usual else 403)
    yield Stranger("foreign key", planted.foreign_key, 403 if for_users else None)
    yield Stranger("foreign user", api.token("ana", app=FOREIGN, scopes=KEY_SCOPES), None)


def attack(planted: Planted, operation: Operation) -> list[str]:
    """Let every stranger try; return what is wrong."""
    wrong = []
    path, body = _target(planted, operation), _body(planted, operation)
    named = f"{path} {body}"
    hidden = [secret for secret in planted.hidden if secret not in named]
    for stranger in strangers(planted, operation):
        answer = planted.api.call(operation.method, path, body, auth=stranger.credential)
        allowed = _allowed(operation, stranger)
        if answer.status not in allowed:
            wrong.append(f"{stranger.name}: {answer.status}, not one of {sorted(allowed)}: {answer.body!r}")
        seen = [secret for secret in hidden if secret.encode() in answer.body]
        if seen:
            wrong.append(f"{stranger.name}: sees {seen} in {answer.body!r}")
    return wrong


def _allowed(operation: Operation, stranger: Stranger) -> set[int]:
    if stranger.status is not None:
        return {stranger.status}
    fine = {200, 201, 202, 204}
    if operation.path == "/v1/auth/password":
        # Who knows no password of his own changes none.
        return {403}
    if operation.scope is None:
        # Open to all: sign-in and its kin may refuse as they like.
        return fine | {400, 401, 403, 404, 409, 422}
    if "{" not in operation.path:
        return fine
    return fine | {404} if (operation.method, operation.path) in WORDS else {404}


def _target(planted: Planted, operation: Operation) -> str:
    parts = operation.path.split("/")
    for index, part in enumerate(parts):
        if not part.startswith("{"):
            continue
        word = ELSEWHERE.get(parts[-1], parts[index - 1])
        if word not in planted.names:
            raise LookupError(f"tests/integration/api/walls.py plants nothing for {operation.path}")
        parts[index] = quote(planted.names[word], safe="")
    return "/".join(parts)


def _body(planted: Planted, operation: Operation) -> Any:
    if operation.body is None:
        return None
    body = BODIES.get((operation.method, operation.path))
    if body is None:
        raise LookupError(
            f"tests/integration/api/walls.py has no body for {operation.method} {operation.path}"
        )
    if body == {"ids": ["{notification}"]}:
        return {"ids": [planted.names["notifications"]]}
    return body
