"""Whether a request came over TLS, which decides if a cookie may be `Secure`.

Rule U. The api itself speaks plain HTTP; a proxy in front of it ends TLS and says so in `X-Forwarded-Proto`. That
counts from a trusted proxy only (`BELLHOP_TRUSTED_PROXIES`); from anybody else it is a claim.
"""

from collections.abc import Mapping
from typing import Any

from shared.config import Settings
from shared.domain.address import Proxies


class Encryption:
    """Knows the proxies that are believed."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = Proxies(settings.trusted_proxies)

    def of(self, env: Mapping[str, Any]) -> bool:
        """Whether the client spoke TLS; `env` is the WSGI environment."""
        if env.get("wsgi.url_scheme") == "https":
            return True
        return self._proxies.secure(env.get("REMOTE_ADDR", ""), env.get("HTTP_X_FORWARDED_PROTO", ""))
