"""api.openapi: the document holds together and says all that the routes may answer."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api import documents, openapi
from api.routes import DEVELOPMENT, TABLE
from shared.auth.principal import KEY_SCOPES, SCOPES, USER_SCOPES

ALL = (*TABLE, *DEVELOPMENT)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(openapi.document(ALL, version="1")))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_every_reference_leads_to_something(document):
    for reference in references(document):
        _, components, kind, name = reference.split("/")
        assert components == "components"
        assert name in document["components"][kind]


def test_every_operation_is_there_once(document):
    assert len(operations(document)) == len(ALL)
    assert len({operation["operationId"] for operation in operations(document)}) == len(ALL)


def test_every_answer_has_a_description_and_errors_the_one_form(document):
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            assert answer["description"]
            if int(status) >= 400 and operation["operationId"] != "get_readiness":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_a_protected_operation_names_its_scope_and_its_refusals(document):
    for operation in operations(document):
        if operation["security"]:
            (scope,) = operation["security"][0]["bearer"]
            assert scope in SCOPES
            assert {"401", "403", "500", "503"} <= set(operation["responses"])


def test_every_scope_is_demanded_somewhere():
    over_sockets = {"messages:write", "everyone:write", "presence:read"}

    assert {operation.scope for operation in TABLE} - {None} | over_sockets == KEY_SCOPES | USER_SCOPES


def test_every_answer_names_its_headers(document):
    for path, operations_of in document["paths"].items():
        for operation in operations_of.values():
            counted = path not in {"/health", "/readiness", "/metrics"}
            for status, answer in operation["responses"].items():
                names = set(answer["headers"])
                assert "X-Request-Id" in names
                assert counted == ({"RateLimit", "RateLimit-Policy"} <= names)
                assert ("Retry-After" in names) == (status in {"429", "503"} and counted)
                assert ("WWW-Authenticate" in names) == (status == "401")


def test_whatever_is_counted_may_be_refused_for_now(document):
    for path, operations_of in document["paths"].items():
        for operation in operations_of.values():
            assert ("429" in operation["responses"]) == (path not in {"/health", "/readiness", "/metrics"})


def test_what_a_path_names_may_not_be_found(document):
    for path, operations_of in document["paths"].items():
        for operation in operations_of.values():
            assert "{" not in path or "404" in operation["responses"], path


def test_what_can_be_repeated_takes_a_key_and_says_when_it_was_repeated(document):
    found = {
        operation["operationId"]
        for operation in operations(document)
        for each in operation["parameters"]
        if each["name"] == "Idempotency-Key" and each["in"] == "header" and each["schema"]["maxLength"] == 200
    }
    replayed = {
        operation["operationId"]
        for operation in operations(document)
        for status, answer in operation["responses"].items()
        if int(status) < 300 and "Idempotent-Replayed" in answer["headers"]
    }

    assert found == replayed
    assert found == {
        "post_notifications", "post_notifications_batch", "post_schedules", "post_schedules_run_now",
    }  # fmt: skip


def test_what_a_path_may_name_has_its_shape(document):
    def shape(path: str, method: str) -> re.Pattern[str]:
        return re.compile(document["paths"][path][method]["parameters"][0]["schema"]["pattern"])

    topic = shape("/v1/topics/{topic}/subscribers", "get")
    assert topic.search("project/42/#") and topic.search("#") and not topic.search("a/#/b")
    assert shape("/v1/caps/{id}", "put").search("daily") and not shape("/v1/caps/{id}", "put").search("a b")
    assert not shape("/v1/segments/{name}", "get").search(".x")
    assert not shape("/v1/users/{user}", "put").search(" ")


def test_what_takes_one_of_two_fields_says_so(document):
    schemas = document["components"]["schemas"]

    assert schemas["MarkIn"]["oneOf"] == [{"required": ["ids"]}, {"required": ["filter"]}]
    assert schemas["ScheduleIn"]["oneOf"] == [{"required": ["cron"]}, {"required": ["every"]}]


def test_the_page_draws_every_method(document):
    (drawn,) = re.findall(r"const METHODS = (\[.*\]);", (documents.PAGES / "docs.js").read_text())

    assert {method for path in document["paths"].values() for method in path} == set(json.loads(drawn))


def test_a_body_may_be_refused_in_four_ways(document):
    for operation in operations(document):
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= set(operation["responses"])


def test_unknown_fields_are_said_to_be_refused(document):
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert schema.get("additionalProperties") is False, name


def test_parameters_of_path_and_query_are_listed(document):
    deliveries = document["paths"]["/v1/notifications/{id}/deliveries"]["get"]

    assert [(each["name"], each["in"]) for each in deliveries["parameters"]] == [
        ("id", "path"), ("state", "query"), ("user", "query"), ("cursor", "query"), ("limit", "query"),
    ]  # fmt: skip
    assert "/v1/users/{user}" in document["paths"]


def test_what_travels_percent_encoded_says_so(document):
    for path, operations_of in document["paths"].items():
        for operation in operations_of.values():
            for each in operation["parameters"]:
                if each["in"] == "path" and each["name"] in ("user", "topic"):
                    assert "percent-encoded" in each["description"], path


def test_what_one_can_send_to_and_what_one_can_only_subscribe_to_is_told_by_the_schema(document):
    topics = document["components"]["schemas"]["AudienceIn"]["properties"]["topics"]

    assert topics["maxItems"] == 100
    pattern = re.compile(topics["items"]["pattern"])
    assert pattern.match("project/42/build")
    assert not pattern.match("project/42/#")
