"""Headers that every answer over HTTP carries, of the api and of the nodes: what helmet does for other servers.

Rule P. Nothing of an answer is to be guessed at, framed, run, or told to other sites. `Strict-Transport-Security` is
not here: only who ends TLS knows that there is any (the nginx configuration sets it). Nor are `X-XSS-Protection`,
`X-Download-Options`, `X-DNS-Prefetch-Control` and `Origin-Agent-Cluster`: they are for browsers that are gone, or say
what holds anyway. Source: OWASP HTTP Headers Cheat Sheet; helmet 8.
"""

from collections.abc import Iterable
from typing import Final

ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    # Holds for what a page embeds without asking; a request with CORS is judged by the list of origins alone.
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Permitted-Cross-Domain-Policies", "none"),
)

POLICY: Final = "Content-Security-Policy"
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""Of what is no page: shown as one by mistake, it can load, run and be framed by nothing."""

NO_STORE: Final = ("Cache-Control", "no-store")

DATA: Final = (*ALWAYS, (POLICY, DATA_POLICY), NO_STORE)
"""Of a whole answer that is no page and that no cache keeps."""


def page_policy(sockets: Iterable[str] = ()) -> str:
    """The policy of a page: all of it from where it came, no script inline; `sockets` are origins it connects to."""
    connect = " ".join(("'self'", *sockets))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        f" connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
