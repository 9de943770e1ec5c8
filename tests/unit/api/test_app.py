"""The application from the outside: credentials, scopes, bodies, methods, and one form for every error."""

import pytest

from api.routes import DEVELOPMENT, TABLE
from shared.auth.principal import KEY_SCOPES
from shared.errors import Internal, InvalidRequest
from tests.unit.api.app import KEY, FakeApp, Recorder
from tests.unit.api.fakes import NOW

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid"}
PROTECTED = [operation for operation in TABLE if operation.scope]


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


def path_of(operation) -> str:
    values = {"{id}": "01990000-0000-7000-8000-000000000000", "{user:user}": "ana", "{topic:topic}": "news"}
    path = operation.path
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def ids(operations) -> list[str]:
    return [f"{operation.method} {operation.path}" for operation in operations]


def assert_error(result, status: int, code: str) -> dict:
    assert result.status_code == status, result.text
    assert result.headers["content-type"] == "application/json"
    error = result.json["error"]
    assert error["code"] == code
    assert error["request_id"] == result.headers["x-request-id"]
    assert error["message"]
    assert isinstance(error["retryable"], bool)
    return error


def test_a_notification_is_accepted(app):
    result = app.post("/v1/notifications", GOOD)

    assert result.status_code == 202
    (entry,) = app.journal.decoded()
    assert result.json == {"id": entry.id, "status": "accepted"}
    assert (entry.sender, entry.request_id) == (f"key:{KEY.id}", result.headers["x-request-id"])


def test_a_token_with_the_scope_sends_in_the_name_of_its_user(app):
    result = app.post("/v1/notifications", GOOD, auth=app.token("bob", scopes=["notifications:write"]))

    assert result.status_code == 202
    assert app.journal.decoded()[0].sender == "user:bob"


def test_a_repetition_with_the_same_key_says_that_it_is_one(app):
    headers = {"Idempotency-Key": "order-17"}
    first = app.post("/v1/notifications", GOOD, headers=headers)
    again = app.post("/v1/notifications", GOOD, headers=headers)

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json) == (202, first.json)
    assert_error(
        app.post("/v1/notifications", {**GOOD, "event": "x"}, headers=headers), 422, "idempotency_mismatch"
    )


def test_a_batch_is_accepted_item_by_item(app):
    result = app.post("/v1/notifications/batch", {"notifications": [GOOD, {"event": "e"}]})

    assert result.status_code == 202
    assert [set(item) for item in result.json["items"]] == [{"id", "status"}, {"error"}]


@pytest.mark.parametrize("operation", PROTECTED, ids=ids(PROTECTED))
def test_every_protected_route_wants_a_credential(app, operation):
    result = app.call(operation.method, path_of(operation), auth=None)

    assert_error(result, 401, "unauthenticated")
    assert result.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", PROTECTED, ids=ids(PROTECTED))
def test_every_protected_route_wants_its_scope_before_it_reads_anything(app, operation):
    app.give(KEY_SCOPES - {operation.scope})
    result = app.call(operation.method, path_of(operation), body=b"not even JSON")

    assert assert_error(result, 403, "forbidden")["detail"] == {"scope": operation.scope}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        (KEY.secret, "unauthenticated"),
        (f"Bearer {KEY.secret[:-1]}", "unauthenticated"),
        (f"Bearer {KEY.secret[:-1]}x", "unauthenticated"),
        ("Bearer", "unauthenticated"),
        ("Bearer ", "unauthenticated"),
        ("Bearer nonsense", "token_invalid"),
    ],
)
def test_a_credential_that_is_none_is_refused(app, header, code):
    result = app.post("/v1/notifications", GOOD, auth=None, headers={"Authorization": header})

    assert_error(result, 401, code)


def test_a_token_that_is_over_says_so(app):
    app.clock.advance(3600)

    result = app.call("GET", "/v1/inbox", auth=app.token())
    assert_error(result, 401, "token_expired")


def test_the_scheme_is_read_in_any_case(app):
    result = app.post("/v1/notifications", GOOD, auth=None, headers={"Authorization": f"bearer {KEY.secret}"})

    assert result.status_code == 202


def test_a_token_for_an_app_that_does_not_exist_sends_nothing(app):
    token = app.token(app="shop", scopes=["notifications:write"])

    assert_error(app.post("/v1/notifications", GOOD, auth=token), 403, "forbidden")
    app.apps.add("shop")
    assert app.post("/v1/notifications", GOOD, auth=token).status_code == 202
    assert app.journal.decoded()[0].app == "shop"


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "malformed_body", None),
        (b"nope", 400, "malformed_body", None),
        (b"\xff", 400, "malformed_body", None),
        (b"[]", 422, "invalid_request", "body"),
        (b"null", 422, "invalid_request", "body"),
        (b'"x"', 422, "invalid_request", "body"),
        (b"{}", 422, "invalid_request", "to"),
        (b'{"to":{"users":["a"]}}', 422, "invalid_request", "event"),
        (b'{"to":{"users":["a"]},"event":"e","ttl":false}', 422, "invalid_request", "ttl"),
        (b'{"to":{"users":["a"]},"event":"e","ttl":1.0}', 422, "invalid_request", "ttl"),
        (b'{"to":{"users":["a"]},"event":"e","ttl":"60"}', 422, "invalid_request", "ttl"),
        (b'{"to":{"users":["a"]},"event":"e","ttl":0}', 422, "invalid_request", "ttl"),
        (b'{"to":{"users":["a"]},"event":"e","ttl":null}', 422, "invalid_request", "ttl"),
        (b'{"to":{"users":[7]},"event":"e"}', 422, "invalid_request", "to.users[0]"),
        (b'{"to":{"users":[" "]},"event":"e"}', 422, "invalid_request", "to.users[0]"),
        (b'{"to":{"users":["a\\n"]},"event":"e"}', 422, "invalid_request", "to.users[0]"),
        (b'{"to":{"users":"a"},"event":"e"}', 422, "invalid_request", "to.users"),
        (b'{"to":{"everyone":1},"event":"e"}', 422, "invalid_request", "to.everyone"),
        (b'{"to":{"user":["a"]},"event":"e"}', 422, "invalid_request", "to.user"),
        (b'{"to":{"users":["a"]},"event":"a b"}', 422, "invalid_request", "event"),
        (b'{"to":{"users":["a"]},"event":"e\\n"}', 422, "invalid_request", "event"),
        (b'{"to":{"users":["a"]},"event":"e","data":[]}', 422, "invalid_request", "data"),
        (b'{"to":{"users":["a"]},"event":"e","data":{"x":NaN}}', 422, "invalid_request", "data.x"),
        (b'{"to":{"users":["a"]},"event":"e","data":{"x":1,"x":1}}', 422, "invalid_request", "data.x"),
        (b'{"to":{"users":["a"]},"event":"e","data":{"x":"\\u0000"}}', 422, "invalid_request", "data.x"),
        (b'{"to":{"users":["a"]},"event":"e","priority":"high"}', 422, "invalid_request", "priority"),
        (b'{"to":{"users":["a"]},"event":"e","tags":[""]}', 422, "invalid_request", "tags[0]"),
        (b'{"to":{"users":["a"]},"event":"e","color":"red"}', 422, "invalid_request", "color"),
        (b'{"to":{"topics":["a/#"]},"event":"e"}', 422, "invalid_request", "to.topics[0]"),
        (b'{"to":{"topics":["t","a//b"]},"event":"e"}', 422, "invalid_request", "to.topics[1]"),
        (b'{"to":{"topics":"t"},"event":"e"}', 422, "invalid_request", "to.topics"),
        (
            b'{"to":{"users":["a"],"exclude":{"topics":["#"]}},"event":"e"}',
            422,
            "invalid_request",
            "to.exclude.topics[0]",
        ),
        (b'{"to":{"users":["a"],"conversation":"c"},"event":"e"}', 422, "not_supported", "to.conversation"),
        (b'{"to":{"segments":["a","s s"]},"event":"e"}', 422, "invalid_request", "to.segments[1]"),
        (b'{"to":{"segments":["no-such"]},"event":"e"}', 422, "invalid_request", "to.segments[0]"),
        (
            b'{"to":{"users":["a"],"exclude_actor":" "},"event":"e"}',
            422,
            "invalid_request",
            "to.exclude_actor",
        ),
    ],
)
def test_a_bad_body_is_refused_by_the_name_of_its_field(app, body, status, code, field):
    result = app.call("POST", "/v1/notifications", body=body, headers={"Content-Type": "application/json"})

    error = assert_error(result, status, code)
    if field is not None:
        assert error["detail"][0]["field"] == field
        assert error["message"].startswith(f"{field}: ")
    assert app.journal.entries == {}


def test_all_bad_fields_are_named_at_once(app):
    result = app.post("/v1/notifications", {"to": {}, "event": 1, "ttl": "x", "more": 1})

    fields = [problem["field"] for problem in assert_error(result, 422, "invalid_request")["detail"]]
    assert fields == ["event", "ttl", "more"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_a_body_of_another_kind_is_refused(app, kind):
    result = app.call("POST", "/v1/notifications", body=b"{}", headers={"Content-Type": kind})

    assert_error(result, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_json_may_say_that_it_is_utf_8(app, kind):
    result = app.call(
        "POST",
        "/v1/notifications",
        body=b'{"to":{"users":["a"]},"event":"e"}',
        headers={"Content-Type": kind},
    )

    assert result.status_code == 202


def test_a_body_has_a_limit_and_a_batch_a_wider_one(app):
    big = {**GOOD, "data": {"x": "y" * 262_144}}
    assert assert_error(app.post("/v1/notifications", big), 413, "body_too_large")["detail"] == {
        "limit": 262_144
    }

    several = {"notifications": [{**GOOD, "data": {"x": "y" * 200_000}}] * 3}
    assert app.post("/v1/notifications/batch", several).status_code == 202
    too_many = {"notifications": [{**GOOD, "data": {"x": "y" * 200_000}}] * 22}
    assert_error(app.post("/v1/notifications/batch", too_many), 413, "body_too_large")


def test_a_batch_may_be_as_deep_as_its_notifications(app):
    data: dict = {}
    for _ in range(30):
        data = {"a": data}
    one = {**GOOD, "data": data}

    assert app.post("/v1/notifications", one).status_code == 202
    assert "id" in app.post("/v1/notifications/batch", {"notifications": [one]}).json["items"][0]
    assert_error(app.post("/v1/notifications", {**GOOD, "data": {"a": data}}), 422, "invalid_request")


def test_redis_away_is_503_with_a_time_to_come_back(app):
    app.journal.away = True
    result = app.post("/v1/notifications", GOOD)

    assert assert_error(result, 503, "unavailable")["retryable"] is True
    assert int(result.headers["retry-after"]) >= 1


def test_the_request_id_of_the_caller_is_returned_and_kept(app):
    result = app.post("/v1/notifications", GOOD, headers={"X-Request-Id": "order-17.paid_1"})

    assert result.headers["x-request-id"] == "order-17.paid_1"
    assert app.journal.decoded()[0].request_id == "order-17.paid_1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", "é", "a/b"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(app, given):
    result = app.call("GET", "/health", headers={"X-Request-Id": given})

    assert result.headers["x-request-id"] not in ("", given)


def test_a_request_is_logged_by_its_route_and_never_by_its_address(app):
    app.call("GET", "/v1/users/ana", headers={"X-Request-Id": "r"}, params={"token": "secret"})

    (line,) = app.lines
    assert line["route"] == "/v1/users/{user}"
    assert (line["method"], line["request_id"], line["caller"]) == ("GET", "r", f"key:{KEY.id}")
    assert "secret" not in str(line)


def test_an_unknown_path_is_404_and_is_logged_without_it(app):
    assert_error(app.call("GET", "/nope?token=secret"), 404, "not_found")
    assert app.lines[0]["route"] == "unmatched"


def test_supervisors_do_not_fill_the_log(app):
    app.call("GET", "/health", auth=None)

    assert app.lines == []


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/notifications"), ("GET", "/v1/notifications/batch"),
                                              ("POST", "/health"), ("PATCH", "/v1/users/ana")])  # fmt: skip
def test_a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes(app, method, path):
    result = app.call(method, path)

    assert_error(result, 405, "method_not_allowed")
    assert result.headers["allow"]


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_word_that_is_no_method_is_refused_in_our_form(app):
    assert_error(app.client.simulate_request("SETUP", "/health"), 400, "malformed_body")


def test_options_names_the_methods_without_a_credential(app):
    result = app.call("OPTIONS", "/v1/api-keys", auth=None)

    assert result.status_code == 200
    assert {"GET", "HEAD", "POST"} <= set(result.headers["allow"].split(", "))


def test_head_is_get_without_its_body_and_with_its_demands(app):
    assert app.call("HEAD", "/health", auth=None).status_code == 200
    assert app.call("HEAD", "/health", auth=None).text == ""
    assert app.call("HEAD", "/v1/inbox", auth=None).status_code == 401


def test_a_fault_of_ours_is_500_without_a_word_about_it(app):
    app.people.error = ZeroDivisionError("secret detail")
    result = app.call("GET", "/v1/users/ana")

    assert_error(result, 500, "internal")
    assert "secret" not in result.text


def test_with_debug_on_the_traceback_is_in_the_answer():
    app = FakeApp(environ={"BELLHOP_DEBUG": "true"})
    app.people.error = ZeroDivisionError("what happened")

    assert "what happened" in app.call("GET", "/v1/users/ana").text


def test_answers_are_not_kept_by_anybody_on_their_way(app):
    headers = app.call("GET", "/health", auth=None).headers

    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_readiness_tells_whether_redis_answers(app):
    assert app.call("GET", "/readiness", auth=None).json == {"status": "READY", "redis": "connected"}

    app.journal.away = True
    result = app.call("GET", "/readiness", auth=None)
    assert result.status_code == 503
    assert result.json == {
        "status": "NOT_READY",
        "redis": "disconnected",
        "reason": "Redis does not answer: it is away",
    }


def test_health_is_up_whatever_else_is_not(app):
    app.journal.away = True

    assert app.call("GET", "/health", auth=None).json == {
        "status": "UP",
        "timestamp": "2026-01-01T00:00:00.000Z",
    }


def test_metrics_count_requests_and_tell_the_depth_of_the_journal(app):
    app.post("/v1/notifications", GOOD)
    text = app.call("GET", "/metrics", auth=None).text

    assert 'bellhop_http_requests_total{method="POST",route="/v1/notifications",status="202"}' in text
    assert "bellhop_journal_depth 1.0" in text


def test_a_page_of_an_allowed_origin_may_call_and_read_the_answer(app):
    origin = app.settings.origins[0]
    result = app.call(
        "OPTIONS", "/v1/inbox", auth=None, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
    )
    assert result.headers["access-control-allow-origin"] == origin

    other = app.call("GET", "/health", auth=None, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_filter_or_ids_but_neither_both_nor_none(app):
    token = app.token()
    for body in ({}, {"ids": ["x"], "filter": {}}):
        assert_error(app.post("/v1/inbox/read", body, auth=token), 422, "invalid_request")
    assert app.inboxes.calls == []

    app.inboxes.answer = {"changed": 0}
    app.post("/v1/inbox/read", {"ids": ["x"]}, auth=token)
    app.post("/v1/inbox/archive", {"filter": {"before": "2026-01-01T01:00:00+01:00"}}, auth=token)
    marked = [(call[0], *call[1:4]) for call in app.inboxes.calls]
    assert marked == [("mark", "main", "ana", "read"), ("mark", "main", "ana", "archive")]
    assert app.inboxes.calls[1][4].before == NOW


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "now", "2026-01-01T00:00:00+99:00"]
)
def test_an_instant_without_a_zone_or_a_meaning_is_refused(app, text):
    result = app.post("/v1/inbox/read", {"filter": {"before": text}}, auth=app.token())

    assert assert_error(result, 422, "invalid_request")["detail"][0]["field"] == "filter.before"


def test_a_query_is_read_strictly(app):
    app.inboxes.answer = {"items": [], "next": None}
    token = app.token()
    assert app.call("GET", "/v1/inbox", auth=token, query_string="limit=5&state=unread").status_code == 200
    listing = app.inboxes.calls[0][3]
    assert (listing.limit, listing.state, listing.cursor) == (5, "unread", None)

    for query, field in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("state=all", "state"),
                         ("limit=1&limit=2", "limit"), ("page=2", "page"), ("changed_since=-1", "changed_since"),
                         ("state=", "state")]:  # fmt: skip
        result = app.call("GET", "/v1/inbox", auth=token, query_string=query)
        assert assert_error(result, 422, "invalid_request")["detail"][0]["field"] == field


def test_a_user_id_may_hold_a_slash(app):
    app.people.error = InvalidRequest("seen")
    app.call("GET", "/", extras={"PATH_INFO": "/v1/users/a/b é", "RAW_URI": "/v1/users/a%2Fb%20%C3%A9?x=%2F"})
    app.call("GET", "/", extras={"PATH_INFO": "/v1/users/a/b", "RAW_URI": "/v1/users/a/b"})

    assert app.people.calls == [("get", "main", "a/b é")]


def test_a_user_id_in_the_address_keeps_the_rules_of_user_ids(app):
    for path in ("/v1/users/%20", "/v1/users/a%0Ab", "/v1/users/" + "x" * 129):
        assert app.call("PUT", path, json={}).status_code in (404, 422)
    assert app.people.calls == []


def test_a_time_zone_must_exist(app):
    result = app.call("PUT", "/v1/users/ana", json={"timezone": "Mars/Olympus"})

    assert assert_error(result, 422, "invalid_request")["detail"][0]["field"] == "timezone"


def test_a_key_gives_away_only_what_it_holds(app):
    app.give(["keys:write", "users:read"])
    for scopes, place in [
        (["users:write"], "scopes[0]"),
        (["users:read", "inbox:read"], "scopes[1]"),
        (["x"], "scopes[0]"),
    ]:
        result = app.post("/v1/api-keys", {"name": "n", "scopes": scopes})
        assert assert_error(result, 422, "invalid_request")["detail"][0]["field"] == place
    assert app.keys.calls == []


def test_the_description_and_the_page_are_served_and_asked_for_again_only_by_their_tag(app):
    result = app.call("GET", "/openapi.json", auth=None)
    assert result.json["openapi"] == "3.1.0"
    again = app.call("GET", "/openapi.json", auth=None, headers={"If-None-Match": result.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")

    page = app.call("GET", "/docs", auth=None)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("docs.js", "docs.css"):
        assert f"/docs/{name}" in page.text
        assert app.call("GET", f"/docs/{name}", auth=None).status_code == 200


@pytest.mark.parametrize("path", ["/docs/nope.js", "/docs/..%2Fapp.py", "/console/..%2F..%2Fapp.py"])
def test_only_the_files_of_a_page_are_served(app, path):
    assert app.call("GET", path, auth=None).status_code == 404


def test_development_routes_do_not_exist_where_they_are_off():
    app = FakeApp(environ={"BELLHOP_DEV_SIGN_IN": "false", "BELLHOP_CONSOLE": "false"})

    assert app.call("GET", "/console", auth=None).status_code == 404
    for operation in DEVELOPMENT:
        assert app.call(operation.method, operation.path, auth=None).status_code == 404


def test_every_resource_of_the_table_answers():
    app = FakeApp()
    for name in ("inboxes", "people", "keys", "following", "audiences", "subscriptions", "segments"):
        setattr(app, name, Recorder(error=Internal()))
    app.__post_init__()
    for operation in TABLE:
        result = app.call(operation.method, path_of(operation), auth=app.token(scopes=list(KEY_SCOPES)))
        assert result.status_code not in (404, 405), operation
