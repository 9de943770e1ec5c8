"""Which time zones and language tags there are.

Rule P. The table of zones is the one that Python reads: the system's, and that of the package tzdata.
"""

import re
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

LOCALE_LENGTH: Final = 35

# The "langtag" of RFC 5646: language, script, region, variants, extensions, private use.
_LOCALE: Final = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE | re.ASCII,
)
_NOWHERE: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names that a machine has and that mean no place, or another one on each machine."""


def is_zone(name: str) -> bool:
    """Whether this is the IANA name of a time zone, which zoneinfo.ZoneInfo can load."""
    return name in _zones()


def is_locale(tag: str) -> bool:
    """Whether this has the shape of a language tag (BCP 47): `de`, `pt-BR`, `zh-Hant-TW`."""
    return len(tag) <= LOCALE_LENGTH and _LOCALE.fullmatch(tag) is not None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # Reads a directory tree, so it is done once and only when somebody names a zone.
    return frozenset(available_timezones()) - _NOWHERE
