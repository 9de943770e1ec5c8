"""Every setting of Bellhop, declared once: type, default, unit and a sentence.

The page docs/configuration.md, the file .env.example, the checks and the processes all read these
declarations, so that a setting cannot mean two things or be documented wrongly. A file holds the settings of one
concern; each builds on the one before, because a default may depend on what was declared earlier.
"""

from typing import Any

from pydantic import field_validator

from shared.config.general import PREFIX
from shared.config.realtime import Realtime
from shared.config.values import check_proxies, split_list

__all__ = ["PREFIX", "Settings"]

_LISTS = ("jwt_apps", "issuer_algorithms", "issuer_apps", "user_scopes", "origins", "trusted_proxies")


class Settings(Realtime):
    """All settings of one process, checked and frozen. Made by `shared.config.load`."""

    @field_validator(
        "jwt_apps",
        "issuer_algorithms",
        "issuer_apps",
        "user_scopes",
        "origins",
        "trusted_proxies",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_list(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_proxies(value)
