"""docs/errors.md: the codes and scopes on the page are those of the code."""

import importlib
import pkgutil
import re
from pathlib import Path

import api
import shared
from api import reference
from api.openapi import errors_of
from api.routes import DEVELOPMENT, TABLE
from shared.auth.principal import SCOPES
from shared.errors import AppError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
# These read the environment when they are imported.
ROOTS = {"api.wsgi", "api.gunicorn_conf"}


def tree(kind: type[AppError]) -> set[type[AppError]]:
    return {kind}.union(*(tree(each) for each in kind.__subclasses__()))


def test_the_page_is_what_the_code_has():
    assert reference.page() == PAGE, "python -m api.reference > docs/errors.md"


def test_every_error_of_api_and_shared_is_on_the_page():
    for package in (api, shared):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in ROOTS and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = {kind for kind in tree(AppError) if kind.__module__.startswith(("api.", "shared."))} - {AppError}

    assert {kind.code for kind in ours} == {kind.code for kind in reference.every_error()}
    for kind in ours:
        assert f"| {kind.status} | `{kind.code}` |" in PAGE, kind


def test_a_code_means_one_status():
    codes: dict[str, set[int]] = {}
    for kind in tree(AppError) - {AppError}:
        codes.setdefault(kind.code, set()).add(kind.status)

    assert all(len(statuses) == 1 for statuses in codes.values()), codes


def test_every_scope_is_on_the_page():
    assert set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", PAGE, re.M)) == set(SCOPES)


def test_every_error_of_a_route_has_a_row():
    for operation in (*TABLE, *DEVELOPMENT):
        for error in errors_of(operation):
            assert f"`{error.code}`" in PAGE
