"""What another issuer may sign with, and the kind of key that each takes.

Rule P. In a file without PyJWT, because the settings know these names too and are read before gevent patches `ssl`.
"""

from typing import Final

ALGORITHMS: Final[dict[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The type and the curve of the key, in the words of a JSON Web Key (RFC 7517, 7518 section 6, 8037)."""
