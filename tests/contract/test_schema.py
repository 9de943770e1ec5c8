"""Every operation of /openapi.json does what it says there: requests that fit the document, and requests that do not.

schemathesis makes them: each bound and each type of every field once ("coverage"), and some at random from a fixed seed
("fuzzing"). They go to a real api on SQLite and Redis, with the credential that the operation asks for.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import redis
import requests
import schemathesis
from schemathesis import GenerationMode, checks
from schemathesis.generation.meta import TestPhase
from schemathesis.pytest.lazy import get_all_tests

from api.routes import DEVELOPMENT, TABLE
from api.routing import Operation
from shared.auth import tokens
from shared.auth.principal import KEY_SCOPES, USER_SCOPES
from shared.clock import SystemClock
from tests.fixtures.databases import MakeDatabase
from tests.fixtures.redis_server import RedisServer
from tests.integration.api.people import PASSWORD
from tests.integration.api.support import Api, give_one_up, store_all
from tests.integration.migrating import migrate

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
ALL = (*TABLE, *DEVELOPMENT)
HIDING = {_PARAMETER.sub(r"{\1}", path) for operation in ALL for path in operation.also}
SECONDS = 10
_numbers = itertools.count(1)
ACCEPTED = 202

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.ignored_auth,
]
"""Left out are: positive_data_acceptance, since a schema cannot say which zones there are, what a cron expression is,
or that an audience names somebody (each operation must have succeeded once instead); max_response_time, which a busy
machine decides; use_after_free, ensure_resource_availability and object_level_authorization, which judge sequences of
requests: that an app sees its own only is held by tests/integration."""

CONFIG = {
    "seed": 1,
    "generation": {"deterministic": True, "max-examples": 20},
    "phases": {"coverage": {"generate-duplicate-query-parameters": True}},
}
"""The same requests in every run."""
SHORT = {
    "seed": 1,
    "generation": {"deterministic": True, "max-examples": 3, "mode": "positive"},
    "phases": {"coverage": {"enabled": False}},
}


@dataclass
class Caller:
    """Somebody who asks the api, always on the same connection."""

    api: Api
    session: requests.Session
    app: str = "main"
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.api.port}"

    def credential(self, scope: str | None) -> dict[str, str]:
        """What an operation of this scope asks for."""
        if scope is None:
            return {}
        if scope in USER_SCOPES or self.app != "main":
            secret = self.api.token("ana", app=self.app, scopes=KEY_SCOPES, ttl=600)
        else:
            secret = self.api.key
        return {"Authorization": f"Bearer {secret}"}

    def make(self, method: str, path: str, body: Any = None) -> Any:
        headers = self.credential("any of a key")
        answer = self.session.request(method, self.url + path, json=body, headers=headers, timeout=SECONDS)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def caller(
    redis_server: RedisServer, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Caller]:
    url = make_database("sqlite")
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/8"
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.flushdb()
    folder = tmp_path_factory.mktemp("schema")
    environ = {"BELLHOP_JWT_APPS": "main,nowhere", "BELLHOP_LIMIT_NAME": "10000/1m"}
    with Api(folder, redis_url, url, environ) as api, requests.Session() as session:
        yield Caller(api, session)


@pytest.fixture(scope="module")
def document(caller: Caller) -> Any:
    """As the api serves it."""
    return caller.make("GET", "/openapi.json")


@dataclass
class Things:
    """What there is for requests that fit: made anew for each operation, since some delete it."""

    caller: Caller
    known: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def fill(self, path: str) -> dict[str, str]:
        """Return the parameters of a path that lead to something."""
        if not self.known:
            for start, make in MAKERS.items():
                if path.startswith(start):
                    self.known = make(Caller(self.caller.api, self.caller.session))
                    break
        return self.known


def _notification(caller: Caller) -> dict[str, str]:
    made = caller.make("POST", "/v1/notifications", {"to": {"users": ["ana"]}, "event": "order.paid"})
    store_all(caller.api)
    return {"id": made["id"]}


def _failed(caller: Caller) -> dict[str, str]:
    give_one_up(caller.api)
    return {"id": caller.make("GET", "/v1/dead-letters")["items"][0]["id"]}


def _user(caller: Caller) -> dict[str, str]:
    caller.make("PUT", "/v1/users/a%2Fb", {"locale": "de"})
    return {"user": "a/b"}


def _subscriber(caller: Caller) -> dict[str, str]:
    caller.make("PUT", "/v1/topics/project%2F1%2F%23/subscribers/ana")
    return {"topic": "project/1/#", "user": "ana"}


def _segment(caller: Caller) -> dict[str, str]:
    caller.make("PUT", "/v1/segments/germans", {"rule": {"locale": {"is": "de"}}})
    return {"name": "germans"}


def _cap(caller: Caller) -> dict[str, str]:
    caller.make("PUT", "/v1/caps/daily", {"limit": 1, "per": 86_400, "action": "drop"})
    return {"id": "daily"}


def _schedule(caller: Caller) -> dict[str, str]:
    notification = {"to": {"users": ["ana"]}, "event": "order.paid"}
    made = caller.make("POST", "/v1/schedules", {"every": 3600, "notification": notification})
    return {"id": made["id"]}


def _key(caller: Caller) -> dict[str, str]:
    made = caller.make("POST", "/v1/api-keys", {"name": "shop", "scopes": ["users:read"]})
    return {"id": made["id"]}


def _grant(caller: Caller) -> Any:
    """Sign ana in, who gets an account for it."""
    account = {"username": "ana", "password": PASSWORD}
    headers = caller.credential("any of a key")
    caller.session.post(f"{caller.url}/v1/auth/register", json=account, headers=headers, timeout=SECONDS)
    return caller.make("POST", "/v1/auth/login", account)


def _session(caller: Caller) -> dict[str, str]:
    access = _grant(caller)["access"]
    claims = tokens.verify(caller.api.settings, access, now=SystemClock().now_ms())
    return {"id": claims.session or ""}


BODIES: dict[str, Callable[[Caller], dict[str, str]]] = {
    "/v1/auth/register": lambda _: {"username": f"new {next(_numbers)}", "password": PASSWORD},
    "/v1/auth/login": lambda caller: {"username": _grant(caller)["user"], "password": PASSWORD},
    "/v1/auth/refresh": lambda caller: {"refresh": _grant(caller)["refresh"]},
    "/v1/auth/password": lambda caller: {"old": PASSWORD, "new": PASSWORD + _grant(caller)["user"][:0]},
}
"""Fields of a body that lead to something: no schema can say them."""


MAKERS: dict[str, Callable[[Caller], dict[str, str]]] = {
    "/v1/notifications/{id}/retry": _failed,
    "/v1/notifications/{id}": _notification,
    "/v1/users/{user}": _user,
    "/v1/topics/{topic}": _subscriber,
    "/v1/segments/{name}": _segment,
    "/v1/caps/{id}": _cap,
    "/v1/schedules/{id}": _schedule,
    "/v1/api-keys/{id}": _key,
    "/v1/auth/sessions/{id}": _session,
}


def _name(operation: Operation) -> str:
    return "_".join(filter(None, (operation.method.lower(), operation.resource, operation.suffix)))


def _conforms(case: schemathesis.Case, caller: Caller, things: Things) -> None:
    """One request and its answer."""
    scope = next((each["bearer"][0] for each in case.operation.definition.raw["security"]), None)
    assert case.meta is not None
    if not _is_negative(case) and case.meta.phase.name is not TestPhase.FUZZING:
        known = things.fill(case.path)
        found = {name: quote(known[name], safe="") for name in case.path_parameters if name in known}
        case.path_parameters.update(found)
        if case.path in BODIES and isinstance(case.body, dict):
            case.body = {**case.body, **BODIES[case.path](Caller(things.caller.api, things.caller.session))}
    headers = caller.credential(scope)
    options: dict[str, Any] = {"base_url": caller.url, "session": caller.session, "timeout": SECONDS}
    response = case.call(headers=headers, **options)
    if response.request.method == case.operation.method.upper():
        things.statuses[response.status_code] += 1
    told = {**options, "headers": headers}
    case.validate_response(response, _checks(case, response), headers=headers, transport_kwargs=told)


def _checks(case: schemathesis.Case, response: schemathesis.Response) -> list[Any]:
    """All of them, but where the rule of a check does not hold."""
    left_out: list[Any] = []
    if case.path in HIDING:
        # The other methods there are those of `{user}` and `{name}`: somebody may have that name.
        left_out = [checks.unsupported_method, checks.allow_header_conformance]
    if case.path == "/v1/notifications/batch" and response.status_code == ACCEPTED:
        # Each is judged by itself: what does not fit is refused by its place in the answer.
        left_out = [checks.negative_data_rejection]
        assert _is_negative(case) <= any("error" in item for item in response.json()["items"])
    return [check for check in CHECKS if check not in left_out]


def _is_negative(case: schemathesis.Case) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE


def _run(operation: Operation, document: Any, things: Things, config: dict[str, Any]) -> None:
    """What schemathesis' `parametrize` does: that takes 10 s at collection, and its lazy form fails with pytest 9.2."""
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(config))
    (found,) = get_all_tests(
        schema=schema.include(operation_id=_name(operation)),
        test_func=_conforms,
        settings=None,
        given_kwargs={},
    )
    _, check = found.ok()
    check(caller=things.caller, things=things)


@pytest.mark.parametrize("operation", ALL, ids=_name)
def test_an_operation_does_what_the_document_says(
    operation: Operation, caller: Caller, document: Any
) -> None:
    things = Things(caller)
    _run(operation, document, things, CONFIG)
    assert any(200 <= status < 300 for status in things.statuses), things.statuses


@pytest.mark.parametrize("operation", [each for each in TABLE if each.scope], ids=_name)
def test_a_token_for_an_app_without_a_row_gets_an_answer_of_the_document(
    operation: Operation, caller: Caller, document: Any
) -> None:
    """The settings know the app and the database does not: a good credential for which nothing is there."""
    stranger = Caller(caller.api, caller.session, app="nowhere")
    _run(operation, document, Things(stranger), SHORT)
