"""What the tests of accounts share: somebody who registers and signs in, and the cookies of an answer."""

from shared.auth import secrets
from tests.integration.api.support import Answer, Api

PASSWORD = "correct horse battery"
UNKNOWN = secrets.REFRESH + "A" * 43


def register(api: Api, name: str, password: str = PASSWORD) -> Answer:
    return api.post("/v1/auth/register", {"username": name, "password": password}, auth=None)


def sign_in(api: Api, name: str, password: str = PASSWORD, *, agent: str = "tests") -> Answer:
    body = {"username": name, "password": password}
    return api.post("/v1/auth/login", body, auth=None, headers={"User-Agent": agent})


def refresh(api: Api, token: str, *, agent: str = "tests") -> Answer:
    return api.post("/v1/auth/refresh", {"refresh": token}, auth=None, headers={"User-Agent": agent})


def cookies_of(answer: Answer) -> dict[str, dict[str, str]]:
    """Attributes of each cookie that is set, by its name; `value` is its value, those without one are empty."""
    found = {}
    for line in answer.cookies:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        found[name] = {"value": value}
        for attribute in attributes:
            key, _, said = attribute.partition("=")
            found[name][key.lower()] = said
    return found
