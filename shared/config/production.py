"""What the production profile refuses.

A function from settings to sentences: the same rules serve the start of a process and
`python -m shared.config check`.
"""

from collections.abc import Iterator

from shared.config.settings import Settings

DEVELOPMENT_KID = "development"
SECRET_BYTES = 32
ARGON2_MEMORY = 7168
"""KiB: the least of OWASP's equivalent settings (Password Storage Cheat Sheet)."""
_DISTINCT_CHARACTERS = 8
_PLACEHOLDERS = ("change", "example", "secret", "password", "default", "insecure", "placeholder")


def production_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (setting, what is wrong with it) for everything too weak to face the world."""
    if settings.profile != "production":
        return
    if settings.debug:
        yield "debug", "must be off in production"
    if settings.dev_sign_in:
        yield "dev_sign_in", "must be off in production"
    if any("*" in origin for origin in settings.origins):
        yield "origins", "must name exact origins in production, without *"
    if settings.argon2_memory < ARGON2_MEMORY:
        yield "argon2_memory", f"must be at least {ARGON2_MEMORY} in production"
    yield from _key_problems(settings)
    password = settings.flower_password.get_secret_value()
    if not settings.flower_user or not password:
        yield "flower_password", "is required in production: Flower must not be open"
    elif _is_placeholder(password):
        yield "flower_password", "is a placeholder; choose a random one"


def issuer_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the same for another issuer, of whom half is set or whose keys cannot be trusted: in every profile."""
    source = settings.issuer_jwks
    if settings.issuer and not source:
        yield "issuer_jwks", "is required: an issuer is set"
    if source and not settings.issuer:
        yield "issuer", "is required: the keys of an issuer are set"
    if settings.accounts and settings.issuer and not settings.issues_tokens:
        yield "accounts", "must be off without jwt_secrets: there is nothing to sign their tokens with"
    scheme, separator, _ = source.partition("://")
    if separator and scheme not in ("https", "http"):
        yield "issuer_jwks", "is an https address or the path of a file"
    elif scheme == "http" and separator and settings.profile == "production":
        yield "issuer_jwks", "must not be fetched over http in production"


def life_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the same for tokens of our own that would live longer than is accepted: in every profile."""
    for name, life in (("access_life", settings.access_life), ("token_ttl", settings.token_ttl)):
        if life > settings.token_life_max:
            yield name, "is longer than any token may live (token_life_max)"


def _key_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    keys = settings.signing_keys()
    if not keys and not settings.issuer:
        yield "jwt_secrets", "is required in production, unless another issuer is set"
    for key in keys:
        if key.kid == DEVELOPMENT_KID:
            yield "jwt_secrets", "is the generated development secret; make one for production"
        elif len(key.secret.encode()) < SECRET_BYTES:
            yield "jwt_secrets", f"secret {key.kid!r} is shorter than {SECRET_BYTES} bytes"
        elif _is_placeholder(key.secret):
            yield "jwt_secrets", f"secret {key.kid!r} is a placeholder; choose a random one"


def _is_placeholder(secret: str) -> bool:
    """Words from examples and runs of one character are what people forget to replace."""
    low = secret.lower()
    return len(set(low)) < _DISTINCT_CHARACTERS or any(word in low for word in _PLACEHOLDERS)
