"""Whether somebody asks from this machine, and not through a proxy or a page of another site.

Rule P. For routes without a credential, which are there in development only. The address alone would not do: a page of
another site must not be able to use them through the browser of somebody who sits here. Hence the check of the Host
(against names that are made to resolve to this machine) and of the Origin.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from shared.errors import Forbidden

_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def own_host(env: Mapping[str, Any]) -> str:
    """Return the name under which the caller reaches this machine. Raises Forbidden for anybody from outside."""
    host = _HOST.fullmatch(env.get("HTTP_HOST", ""))
    if host is None or not _is_loopback(env.get("REMOTE_ADDR", "")):
        raise Forbidden("Only from this machine.")
    # Behind a proxy on this machine every caller seems to be here.
    if "HTTP_X_FORWARDED_FOR" in env or "HTTP_FORWARDED" in env:
        raise Forbidden("Not through a proxy.")
    origin = env.get("HTTP_ORIGIN")
    if origin is not None and urlsplit(origin).netloc.lower() != env["HTTP_HOST"].lower():
        raise Forbidden("Not from a page of another site.")
    return host[1]


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
