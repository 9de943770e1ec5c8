"""api.compat: what the five earlier designs are answered, by whom they may be asked, and what is kept of it."""

import json

import pytest

from tests.unit.api.app import KEY, FakeApp
from tests.unit.api.fakes import NOW

PRODUCTION = {
    "BELLHOP_PROFILE": "production",
    "BELLHOP_JWT_SECRETS": "k1:3f1c9a7e5b2d8046aa91c3e7d5f0b284",
    "BELLHOP_FLOWER_PASSWORD": "9d2f71c04be8a635",
}
A = {"userId": "12345", "eventType": "new_message", "data": {"message": "You have a new message!"}}
B = {"userId": "19", "message": "Hello from server!"}
D = {"recipientId": "user-123", "message": "System notification", "apiKey": KEY.secret}


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
def production() -> FakeApp:
    return FakeApp(environ=PRODUCTION)


def ask(
    app: FakeApp, path: str, body=None, *, method: str = "POST", address: str = "127.0.0.1", **headers: str
):
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    given = {"Host": "localhost:8080", **({"Content-Type": "application/json"} if raw else {}), **headers}
    return app.client.simulate_request(method, path, body=raw, headers=given, remote_addr=address)


def told(result) -> tuple[int, object]:
    assert result.headers["content-type"] == "application/json"
    return result.status_code, result.json


def test_a_sends_its_data_under_its_event(app):
    result = ask(app, "/notification", {**A, "colour": "ignored"})

    assert told(result) == (200, {"message": "Notification triggered"})
    (entry,) = app.journal.decoded()
    assert (entry.users, entry.event, json.loads(entry.data_json)) == (("12345",), "new_message", A["data"])
    assert (entry.app, entry.sender) == ("main", "key:this-machine")


@pytest.mark.parametrize("field", ["userId", "eventType", "data"])
@pytest.mark.parametrize("value", [..., None, "", 0, 0.0, False], ids=repr)
def test_a_calls_everything_that_javascript_takes_for_false_an_invalid_payload(app, field, value):
    body = {name: found for name, found in {**A, field: value}.items() if found is not ...}

    assert told(ask(app, "/notification", body)) == (400, {"error": "Invalid payload"})
    assert app.journal.decoded() == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"userId":"1","userId":"2","eventType":"e","data":{"a":1}}',
        {**A, "userId": True}, {**A, "userId": ["1"]}, {**A, "userId": 1.5}, {**A, "userId": " "},
        {**A, "eventType": True}, {**A, "eventType": ["e"]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_says_the_same_of_what_nobody_could_be_sent(app, body):
    assert told(ask(app, "/notification", body)) == (400, {"error": "Invalid payload"})


@pytest.mark.parametrize("data", ["text", [1], [], 7, True, {"$value": 7}], ids=repr)
def test_a_sends_data_that_is_no_object_in_one_that_stands_for_it(app, data):
    assert ask(app, "/notification", {**A, "data": data}).status_code == 200
    assert json.loads(app.journal.decoded()[0].data_json) == {"$value": data}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("New message!", "New_message_"), ("é", "_"), (7, "7"), (1.5, "1.5"), ("x" * 101, "x" * 100)],
)
def test_a_names_events_as_it_likes(app, given, kept):
    assert ask(app, "/notification", {**A, "eventType": given}).status_code == 200
    assert app.journal.decoded()[0].event == kept


def test_what_is_not_said_to_be_json_is_no_body_and_without_a_type_it_is_json(app):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert told(ask(app, "/notification", A, **form)) == (400, {"error": "Invalid payload"})
    assert ask(app, "/notification", A, **{"Content-Type": ""}).status_code == 200
    assert (
        ask(app, "/notification", A, **{"Content-Type": "application/json; charset=utf-8"}).status_code == 200
    )


@pytest.mark.parametrize(("id", "user"), [(12345, "12345"), (7.0, "7"), (-1, "-1"), ("007", "007")])
def test_a_number_names_the_user_of_its_text(app, id, user):
    assert ask(app, "/notification", {**A, "userId": id}).status_code == 200
    assert app.journal.decoded()[0].users == (user,)


def test_b_sends_a_message(app):
    result = ask(app, "/notify", {**B, "colour": "ignored"})

    assert told(result) == (200, {"success": True})
    (entry,) = app.journal.decoded()
    assert (entry.users, entry.event, entry.data_json) == (
        ("19",), "notification", '{"message":"Hello from server!"}',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"), ({**B, "message": ""}, "message"), ({**B, "message": 5}, "message"),
        ({"message": "x"}, "userId"), ({**B, "userId": "a\n"}, "userId"), ({**B, "userId": "x" * 129}, "userId"),
    ],
)  # fmt: skip
def test_b_names_the_field_that_it_refuses(app, body, field):
    status, answer = told(ask(app, "/notify", body))

    assert (status, answer["success"], answer["message"]) == (400, False, "Validation failed")
    assert [each["field"] for each in answer["errors"]] == [field]


def test_b_can_be_tried(app):
    assert told(ask(app, "/status-test", method="GET")) == (
        200, {"success": True, "data": {"service": "running"}},
    )  # fmt: skip
    assert told(ask(app, "/error", method="GET")) == (
        500, {"success": False, "message": "This is what an error looks like."},
    )  # fmt: skip
    for age in (30, 30.5):
        assert told(ask(app, "/zod-test", {"name": "Ana", "age": age, "more": 1})) == (
            200, {"success": True, "data": {"name": "Ana", "age": age}},
        )  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"", {"name": "Ana", "age": "30"}, {"name": "Ana", "age": True}, {"name": 1, "age": 1}]
)
def test_b_refuses_what_its_schema_refuses(app, body):
    status, answer = told(ask(app, "/zod-test", body))

    assert (status, answer["success"], answer["message"]) == (400, False, "Validation failed")
    assert {each["field"] for each in answer["errors"]} <= {"name", "age"}


@pytest.mark.parametrize("profile", ["app", "production"])
def test_d_sends_with_the_key_in_its_body_from_anywhere(request, profile):
    app = request.getfixturevalue(profile)
    result = ask(app, "/webhook/notify", D, address="203.0.113.9", Host="bell.example")

    (entry,) = app.journal.decoded()
    assert told(result) == (200, {"success": True, "id": entry.id})
    assert (entry.users, entry.sender) == (("user-123",), f"key:{KEY.id}")
    assert json.loads(entry.data_json) == {"message": "System notification"}
    assert app.lines[-1]["caller"] == f"key:{KEY.id}"
    assert KEY.secret not in json.dumps([app.lines, entry.encode().decode()])


@pytest.mark.parametrize(
    "key", [None, 5, "", "your-webhook-api-key", KEY.secret[:-1] + "x", "bh_aaaaaaaa_" + "a" * 43]
)
@pytest.mark.parametrize("rest", [{}, {"recipientId": "", "message": ""}])
def test_d_refuses_a_bad_key_before_it_looks_at_the_rest(app, key, rest):
    status, answer = told(ask(app, "/webhook/notify", {**D, **rest, "apiKey": key}))

    assert (status, answer["success"]) == (401, False)
    assert answer["error"] == "The apiKey is missing, unknown, revoked or expired."
    assert app.journal.decoded() == []


def test_d_takes_no_token_of_a_user_for_a_key(app):
    token = app.token(scopes=["notifications:write"])
    assert ask(app, "/webhook/notify", {**D, "apiKey": token}).status_code == 401


@pytest.mark.parametrize(
    "change", [{"message": ""}, {"message": {"a": 1}}, {"recipientId": None}, {"recipientId": ""}]
)
def test_d_refuses_a_bad_body(app, change):
    status, answer = told(ask(app, "/webhook/notify", {**D, **change}))

    assert (status, answer["success"]) == (400, False)
    assert answer["error"]


def test_d_wants_a_key_that_may_send(app):
    app.give({"notifications:read"})
    assert told(ask(app, "/webhook/notify", D)) == (
        403, {"success": False, "error": "This needs the scope notifications:write."},
    )  # fmt: skip


def test_guessing_the_key_of_d_is_limited_by_address():
    app = FakeApp(environ={"BELLHOP_LIMIT_ADDRESS": "3/15m"})
    bad = {**D, "apiKey": "bh_guessing"}
    statuses = [ask(app, "/webhook/notify", bad, address="203.0.113.9") for _ in range(4)]

    assert [each.status_code for each in statuses] == [401, 401, 401, 429]
    assert statuses[-1].json["success"] is False
    assert int(statuses[-1].headers["retry-after"]) > 0


OPEN = [
    ("POST", "/notification"), ("POST", "/notify"), ("POST", "/temp-login"),
    ("GET", "/error"), ("GET", "/status-test"), ("POST", "/zod-test"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), OPEN)
@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("10.0.0.1", {}),
        ("127.0.0.1", {"Host": "evil.example"}),
        ("127.0.0.1", {"Host": "127.0.0.1.nip.io:8000"}),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.1"}),
        ("127.0.0.1", {"Origin": "https://evil.example"}),
        ("127.0.0.1", {"Origin": "null"}),
    ],
    ids=repr,
)
def test_what_asks_for_no_credential_is_for_this_machine_only(app, method, path, address, headers):
    result = ask(app, path, A | B if method == "POST" else None, method=method, address=address, **headers)

    assert result.status_code == 403
    assert app.journal.decoded() == []


@pytest.mark.parametrize("off", [PRODUCTION, {"BELLHOP_DEV_SIGN_IN": "false"}])
def test_in_production_sending_needs_a_key_and_the_rest_is_not_there(off):
    app = FakeApp(environ=off)
    assert told(ask(app, "/notification", A))[0] == 401
    assert told(ask(app, "/notify", B))[0] == 401
    bearer = {"Authorization": f"Bearer {KEY.secret}"}
    away = {"address": "203.0.113.9", "Host": "bell.example"}
    assert told(ask(app, "/notification", A, **bearer, **away)) == (
        200,
        {"message": "Notification triggered"},
    )
    assert told(ask(app, "/notify", B, **bearer, **away)) == (200, {"success": True})
    assert {entry.sender for entry in app.journal.decoded()} == {f"key:{KEY.id}"}
    for method, path in OPEN[2:]:
        result = ask(app, path, method=method)
        assert (result.status_code, result.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("environ", "there"),
    [
        (PRODUCTION, {"/refresh", "/logout", "/auth"}),
        ({**PRODUCTION, "BELLHOP_ACCOUNTS": "false"}, set()),
        ({"BELLHOP_ACCOUNTS": "false"}, {"/refresh", "/logout", "/temp-login"}),
    ],
)
def test_what_signs_in_is_there_where_somebody_can_sign_in(environ, there):
    app = FakeApp(environ=environ)
    statuses = {
        path: ask(app, path, b"[").status_code for path in ("/refresh", "/logout", "/auth", "/temp-login")
    }

    assert statuses == {path: 400 if path in there else 404 for path in statuses}


@pytest.mark.parametrize(
    "body", [b"", {}, {"username": "ana"}, {"username": "ana", "password": ""}, {"username": 1}]
)
def test_e_refuses_what_is_no_name_and_password(app, body):
    status, answer = told(ask(app, "/auth", body))
    assert (status, set(answer)) == (400, {"error"})


def test_a_credential_that_is_shown_counts_also_where_none_is_needed(app):
    bad = {"Authorization": f"Bearer {KEY.secret[:-1]}x"}
    assert ask(app, "/notification", A, **bad).status_code == 401
    assert (
        ask(app, "/notification", A, Authorization=f"Bearer {KEY.secret}", address="10.0.0.1").status_code
        == 200
    )
    assert ask(app, "/notification", A, Authorization=f"Bearer {app.token()}").status_code == 403
    assert (
        ask(
            app, "/status-test", method="GET", address="10.0.0.1", Authorization=f"Bearer {KEY.secret}"
        ).status_code
        == 403
    )


def test_every_failure_has_the_shape_of_its_contract(app):
    app.journal.away = True
    a, b, d = ask(app, "/notification", A), ask(app, "/notify", B), ask(app, "/webhook/notify", D)

    assert [each.status_code for each in (a, b, d)] == [503, 503, 503]
    assert [set(each.json) for each in (a, b, d)] == [{"error"}, {"success", "message"}, {"success", "error"}]
    assert a.headers["retry-after"]


def test_a_large_body_is_told_so(app):
    result = ask(app, "/notification", {**A, "data": {"a": "x" * 300_000}})
    assert (result.status_code, set(result.json)) == (413, {"error"})


def test_the_clock_is_the_systems(app):
    ask(app, "/notification", A)
    assert app.journal.decoded()[0].accepted_at == NOW
