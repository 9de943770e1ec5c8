"""docs/compatibility.md: its names of settings exist, and none of the earlier designs' is missing."""

import re
from pathlib import Path

import pytest

from shared.config import Settings, load
from shared.config.loading import env_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
THEIRS = {
    "A": {"SECRET_KEY"},
    "B": {"PORT", "NODE_ENV", "REDIS_HOST", "REDIS_PORT", "JWT_ACCESS", "JWT_REFRESH"},
    "D": {
        "NODE_ENV", "PORT", "SERVER_URL", "JWT_SECRET", "JWT_EXPIRES_IN", "DB_HOST", "DB_PORT", "DB_USER",
        "DB_PASSWORD", "DB_NAME", "DB_POOL_LIMIT", "REDIS_URL", "HTTP_RATE_LIMIT_WINDOW", "HTTP_RATE_LIMIT_MAX",
        "SOCKET_RATE_LIMIT_POINTS", "SOCKET_RATE_LIMIT_DURATION", "ALLOWED_ORIGINS", "WEBHOOK_API_KEY",
    },
}  # fmt: skip
OURS = {env_name(name, field) for name, field in Settings.model_fields.items()}
ROW = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| ([A-E](?:, [A-E])*) \| (.+) \|$", re.MULTILINE)
ASSIGNED = re.compile(r"`([A-Z_]+)=([^`]+)`")


def rows() -> list[tuple[list[str], list[str], str]]:
    """The old names, the designs that have them, and what the page says of them."""
    table = PAGE[PAGE.index("## Names in the environment") : PAGE.index("## Commands")]
    return [(re.findall(r"[A-Z_]+", old), of.split(", "), new) for old, of, new in ROW.findall(table)]


@pytest.mark.parametrize("design", THEIRS)
def test_every_name_of_a_design_has_its_row(design: str):
    assert {name for names, designs, _ in rows() if design in designs for name in names} == THEIRS[design]


def test_every_row_leads_to_a_setting_or_says_that_there_is_none():
    for names, _, new in rows():
        assert ASSIGNED.search(new) or new.startswith("none: "), names


def test_what_the_page_tells_to_set_can_be_set():
    assigned = ASSIGNED.findall(PAGE)
    assert len(assigned) >= len(rows()) - 4
    for name, value in assigned:
        assert name in OURS, name
        if value != "production":  # which would want the rest of what it takes
            load({name: value})


def test_every_setting_that_the_page_names_exists():
    named = set(re.findall(r"`(BELLHOP_[A-Z_]+|DATABASE_URL|REDIS_URL)", PAGE))
    assert named <= OURS, named - OURS


def test_every_target_of_make_that_the_page_names_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert {"run", "secrets", "migrate", "test", "key"} <= named
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)


def test_every_service_whose_logs_the_page_names_exists():
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    services = re.findall(r"`docker compose logs -f ([a-z0-9 ]+)`", PAGE)[0].split()
    assert all(re.search(rf"^  {name}:", compose, re.MULTILINE) for name in services)


def test_the_page_is_found_from_the_first_one():
    assert "docs/compatibility.md" in (ROOT / "README.md").read_text(encoding="utf-8")
