"""How one setting is declared: its default, its sentence, its unit and its heading in the documents.

Defaults that depend on other settings are functions of what was read so far.
"""

from typing import Annotated, Any

from pydantic import Field
from pydantic.config import JsonDict
from pydantic_settings import NoDecode

OFF = "off"
NameList = Annotated[tuple[str, ...], NoDecode]
"""A setting that is a comma separated list."""


def setting(
    default: Any, about: str, unit: str = "", *, group: str = "", shown: str = "", **limits: Any
) -> Any:
    """Declare one setting; `group` opens a heading, `shown` describes a default that is derived."""
    extra: JsonDict = {"unit": unit, "group": group, "shown": shown}
    if callable(default):
        return Field(default_factory=default, description=about, json_schema_extra=extra, **limits)
    return Field(default=default, description=about, json_schema_extra=extra, validate_default=True, **limits)


_HTTP_PORT = 80
"""Browsers leave it out of an origin."""


def in_development(data: dict[str, Any]) -> bool:
    """Whether that is the profile, for defaults that depend on it."""
    return bool(data["profile"] == "development")


def own_origins(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the origins of the pages that the api serves."""
    if not in_development(data):
        return ()
    port = "" if data["api_port"] == _HTTP_PORT else f":{data['api_port']}"
    return tuple(f"http://{host}{port}" for host in ("127.0.0.1", "localhost"))
