"""Time zones that exist, and what has the shape of a language tag."""

from zoneinfo import ZoneInfo

import pytest

from shared.domain import zones
from shared.domain.zones import is_locale, is_zone


@pytest.mark.parametrize("name", ["UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_a_zone(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize(
    "name",
    ["", "europe/lisbon", "Europe/Lisbom", "Europe", "+01:00", "localtime", "Factory", "posixrules", "/etc/passwd",
     "../UTC", "UTC\n"],
)  # fmt: skip
def test_what_is_no_zone(name: str) -> None:
    assert not is_zone(name)


def test_each_zone_can_be_loaded() -> None:
    for name in zones._zones():
        ZoneInfo(name)


@pytest.mark.parametrize(
    "tag",
    ["de", "pt-BR", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "de-CH-1996", "en-US-u-ca-gregory", "de-x-house",
     "zh-cmn-Hans-CN", "DE-at", "tlh"],
)  # fmt: skip
def test_a_locale(tag: str) -> None:
    assert is_locale(tag)


@pytest.mark.parametrize(
    "tag",
    ["", "d", "pt_BR", "pt-", "-pt", "pt--BR", "pt-BR\n", "p1", "de-A", "de-12", "dé", "pt-BR-toolongsubtag",
     "en-u", "de-x", "de-DE-DE", "de-" + "x-abcdefgh-" * 4 + "a"],
)  # fmt: skip
def test_what_is_no_locale(tag: str) -> None:
    assert not is_locale(tag)
