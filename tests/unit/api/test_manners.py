"""What every answer has in common: headers, methods, other origins, kinds of bodies, and packing."""

import gzip
import itertools

import pytest

from api.app import COOKIE_PATHS
from api.packing import LEAST
from api.routes import DEVELOPMENT, TABLE
from api.routing import answers_json
from shared.http_headers import ALWAYS, POLICY
from tests.unit.api.app import KEY, FakeApp

PAGE = "https://shop.example"
BY_PATH = {
    path: sorted(operation.method for operation in group)
    for path, group in itertools.groupby(
        sorted(TABLE, key=lambda each: each.path), key=lambda each: each.path
    )
}
ASKED = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
GETS = [operation for operation in TABLE if operation.method == "GET"]
JSON_ROUTES = [operation for operation in TABLE if answers_json(operation)]


@pytest.fixture(scope="module")
def app() -> FakeApp:
    return FakeApp(environ={"BELLHOP_ORIGINS": PAGE})


def concrete(path: str) -> str:
    """The path with something in the place of each parameter."""
    return "/".join("news" if part.startswith("{") else part for part in path.split("/"))


def ids(operations) -> list[str]:
    return [f"{operation.method} {operation.path}" for operation in operations]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/docs", 200),
        ("GET", "/console", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/v1/notifications/x", 404),
        ("GET", "/nowhere", 404),
        ("PATCH", "/health", 405),
        ("POST", "/v1/notifications", 400),
        ("OPTIONS", "/health", 200),
    ],
)
def test_every_answer_says_what_a_browser_must_not_do_with_it(app, method, path, status):
    result = app.call(method, path)

    assert result.status_code == status
    for name, value in ALWAYS:
        assert result.headers[name] == value
    policy = result.headers[POLICY]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert result.headers["x-request-id"]
    kept = ("no-cache",) if path in ("/docs", "/console", "/openapi.json") else ("no-store",)
    assert result.headers["cache-control"] in kept


def test_pages_may_load_their_own_files_and_the_console_may_reach_the_nodes_alone():
    app = FakeApp(environ={"BELLHOP_NODE_PORT": "9001", "BELLHOP_NODES": "2", "BELLHOP_DEV_SIGN_IN": "true"})
    connect = {
        path: next(
            part
            for part in app.call("GET", path).headers[POLICY].split("; ")
            if part.startswith("connect-src")
        )
        for path in ("/docs", "/console")
    }
    assert connect == {
        "/docs": "connect-src 'self'",
        "/console": "connect-src 'self' ws://127.0.0.1:9001 ws://127.0.0.1:9002"
        " ws://localhost:9001 ws://localhost:9002",
    }


@pytest.mark.parametrize("operation", GETS, ids=ids(GETS))
def test_head_tells_what_get_would_tell(app, operation):
    for auth in (None, KEY.secret):
        got, head = (
            app.call(method, concrete(operation.path), auth=auth, headers={"X-Request-Id": "same"})
            for method in ("GET", "HEAD")
        )
        assert head.status_code == got.status_code
        assert head.content == b""
        if operation.path != "/metrics":  # which counts this request too
            assert head.headers["content-length"] == got.headers["content-length"]
            assert head.headers == got.headers


@pytest.mark.parametrize("path", BY_PATH)
def test_a_path_names_its_methods_to_anybody(app, path):
    told = app.call("OPTIONS", concrete(path), auth=None)
    assert told.status_code == 200
    allowed = set(told.headers["allow"].split(", "))
    assert set(BY_PATH[path]) <= allowed
    assert ("HEAD" in allowed) == ("GET" in allowed)

    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        refused = app.call(method, concrete(path), auth=None)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == allowed | {"OPTIONS"}


def test_a_path_that_does_not_exist_has_no_methods(app):
    result = app.call("OPTIONS", "/nowhere", auth=None, headers=ASKED)

    assert result.status_code == 404
    assert "access-control-allow-methods" not in result.headers


@pytest.mark.parametrize("path", BY_PATH)
def test_a_listed_origin_may_ask_and_is_told_for_how_long(app, path):
    result = app.call("OPTIONS", concrete(path), auth=None, headers=ASKED)

    assert result.status_code == 204
    assert result.headers["access-control-allow-origin"] == PAGE
    assert set(BY_PATH[path]) <= set(result.headers["access-control-allow-methods"].split(", "))
    assert {"Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"} <= set(
        result.headers["access-control-allow-headers"].split(", ")
    )
    assert int(result.headers["access-control-max-age"]) > 0
    assert "Origin" in result.headers["vary"]
    with_cookie = path.startswith(COOKIE_PATHS)
    assert (result.headers.get("access-control-allow-credentials") == "true") == with_cookie


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://SHOP.example",
        "https://shop.example/",
        "null",
        "*",
        "",
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_an_origin_that_is_not_listed_letter_by_letter_gets_nothing(app, origin, method):
    result = app.call(method, "/v1/inbox", headers={**ASKED, "Origin": origin}, auth=None)

    assert not [name for name in result.headers if name.startswith("access-control-")]
    assert result.headers["vary"] == "Origin"


def test_a_listed_origin_may_read_the_answer_and_the_headers_that_matter(app):
    result = app.call("GET", "/nowhere", headers={"Origin": PAGE})

    assert result.headers["access-control-allow-origin"] == PAGE
    exposed = result.headers["access-control-expose-headers"].split(", ")
    assert {"X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed"} == set(
        exposed
    )
    assert "access-control-allow-credentials" not in result.headers


def test_with_any_origin_allowed_none_may_bring_cookies():
    app = FakeApp(environ={"BELLHOP_ORIGINS": "*"})
    for path in ("/v1/inbox", f"{COOKIE_PATHS}refresh"):
        result = app.call("OPTIONS", path, headers={**ASKED, "Origin": "https://any.example"}, auth=None)
        assert result.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in result.headers


@pytest.mark.parametrize("operation", JSON_ROUTES, ids=ids(JSON_ROUTES))
def test_who_does_not_take_json_is_told_so_before_anything_is_done(app, operation):
    auth = app.token(scopes=[operation.scope]) if operation.scope else None
    headers = {"Accept": "text/html"}
    result = app.call(operation.method, concrete(operation.path), auth=auth, headers=headers, body=b"no")

    assert (result.status_code, result.json["error"]["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/docs/docs.css", "/console"])
def test_what_is_not_json_is_sent_whatever_is_acceptable(app, path):
    assert app.call("GET", path, headers={"Accept": "application/pdf"}).status_code == 200


@pytest.mark.parametrize("accept", ["", "*/*", "application/*;q=0.1", "text/html, */*;q=0.8"])
def test_who_takes_anything_takes_json(app, accept):
    assert app.call("GET", "/health", headers={"Accept": accept}).status_code == 200


def test_an_empty_body_needs_no_type_and_a_full_one_does(app):
    for path in ("/v1/notifications/x/cancel", "/v1/notifications"):
        headers = {"Content-Type": ""}
        empty = app.call("POST", path, headers=headers)
        full = app.call("POST", path, headers=headers, body=b"{}")
        assert empty.status_code == (200 if path.endswith("cancel") else 400)
        assert (full.status_code, full.json["error"]["code"]) == (415, "unsupported_media_type")


def test_a_packed_body_is_refused_by_its_packing(app):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    result = app.call("POST", "/v1/notifications", body=gzip.compress(b"{}"), headers=headers)

    assert (result.status_code, result.json["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/docs/docs.css", "/console/console.js", "/openapi.json", "/metrics"])
def test_what_is_long_is_packed_for_who_takes_it(app, path):
    plain = app.call("GET", path, headers={"Accept-Encoding": "identity"})
    packed = app.call("GET", path, headers={"Accept-Encoding": "gzip, br"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in plain.headers["vary"]
    assert "Accept-Encoding" in packed.headers["vary"]
    if path != "/metrics":
        assert gzip.decompress(packed.content) == plain.content
        assert plain.headers["etag"] != packed.headers["etag"]
    assert int(packed.headers["content-length"]) == len(packed.content) < len(plain.content)


def test_what_is_short_is_not_packed(app):
    result = app.call("GET", "/health", headers={"Accept-Encoding": "gzip"})

    assert len(result.content) < LEAST
    assert "content-encoding" not in result.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/console/icon.svg"])
def test_a_page_that_the_browser_has_is_not_sent_again(app, path, encoding):
    etag = app.call("GET", path, headers={"Accept-Encoding": encoding}).headers["etag"]
    for named in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        headers = {"Accept-Encoding": encoding, "If-None-Match": named}
        result = app.call("GET", path, headers=headers)
        assert (result.status_code, result.content, result.headers["etag"]) == (304, b"", etag)
    stale = app.call("GET", path, headers={"Accept-Encoding": encoding, "If-None-Match": '"other"'})
    assert stale.status_code == 200


SECRETS = {"key", "token", "access_token", "refresh_token", "ticket", "sessionId", "access", "refresh"}


def test_an_answer_with_a_secret_is_marked_so_that_it_is_never_packed(app):
    document = app.call("GET", "/openapi.json").json
    marked = {(operation.method, operation.path) for operation in TABLE + DEVELOPMENT if operation.secret}
    assert ("POST", "/v1/api-keys") in marked
    for operation in TABLE:
        path = document["paths"]["/".join(_plain(part) for part in operation.path.split("/"))]
        answers = path[operation.method.lower()]["responses"]
        shown = {
            name
            for status in operation.answers
            for content in answers[str(status)].get("content", {}).values()
            for name in _properties(content.get("schema", {}), document)
        }
        assert not shown & SECRETS or (operation.method, operation.path) in marked, operation.path


def _plain(part: str) -> str:
    return part.partition(":")[0] + "}" if ":" in part else part


def _properties(schema: dict, document: dict) -> set[str]:
    if "$ref" in schema:
        return _properties(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    return set(schema.get("properties", {}))
