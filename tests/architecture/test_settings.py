"""A setting is declared once; the documents are made from the declarations; nobody else reads the environment."""

import ast

from shared.config.render import environment_file, table
from shared.config.settings import Settings
from tests.architecture.sources import ROOT, Source, sources

# Composition roots: they read the environment once and pass settings on.
MAY_READ_THE_ENVIRONMENT = {
    "api/dev_key.py",
    "api/first_key.py",
    "api/gunicorn_conf.py",
    "api/wsgi.py",
    "launcher/__main__.py",
    "launcher/system.py",
    "shared/config/__main__.py",
    "workers/celery_app.py",
    "workers/epoch.py",
    "workers/flower_config.py",
    "wsnode/app.py",
    "wsnode/gunicorn_conf.py",
    "wsnode/worker.py",
}


def reads_the_environment(source: Source) -> bool:
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in ("environ", "environb", "getenv")
            and is_os(node.value)
        )
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & names(node))
        for node in ast.walk(source.tree)
    )


def is_os(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def test_configuration_page_is_what_the_declarations_say():
    assert (ROOT / "docs" / "configuration.md").read_text() == table(), "run `make docs`"


def test_example_file_is_what_the_declarations_say():
    assert (ROOT / ".env.example").read_text() == environment_file(), "run `make docs`"


def test_every_setting_has_a_sentence_and_a_unit_where_it_counts_something():
    for name, field in Settings.model_fields.items():
        assert (field.description or "").rstrip(".") + "." == field.description, name
        unit = dict(field.json_schema_extra or {})["unit"]  # type: ignore[call-overload]
        assert unit or field.annotation not in (int, float) or name.endswith("port"), f"{name} has no unit"


def test_only_composition_roots_read_the_environment():
    readers = {source.name for source in sources() if reads_the_environment(source)}
    assert not readers - MAY_READ_THE_ENVIRONMENT
