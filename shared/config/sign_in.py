"""Settings of identity: who may sign in, with what, and from which pages."""

from typing import Final

from pydantic import SecretStr, field_validator

from shared.auth.algorithms import ALGORITHMS
from shared.auth.principal import SCOPES, split_scopes
from shared.config.declaring import NameList, in_development, own_origins, setting
from shared.config.general import General
from shared.config.values import SigningKey, check_origins, parse_signing_keys

_SKEW_S: Final = 60
"""By how much the clocks of those who revoke, remember and accept may differ."""


class SignIn(General):
    """Tokens, pages, and the password of Flower."""

    jwt_secrets: SecretStr = setting(
        SecretStr(""),
        "One or two `kid:secret` pairs, comma separated; the first signs, both verify; 32 bytes or more.",
        group="Sign-in",
    )
    jwt_issuer: str = setting("", "If set, the claim `iss` that a token must carry.", shown="not checked")
    jwt_audience: str = setting("", "If set, the claim `aud` that a token must carry.", shown="not checked")
    jwt_type: str = setting("", "If set, the header `typ` that a token must carry.", shown="not checked")
    jwt_leeway: int = setting(
        10, "How far clocks may differ when `exp` and `nbf` are checked.", "seconds", ge=0, le=300
    )
    token_life_max: int = setting(
        2_678_400,
        "Longest life of a token that is accepted, whoever issued it; so long what revokes tokens is remembered.",
        "seconds",
        ge=86_400,
        le=31_622_400,
    )
    jwt_apps: NameList = setting(("main",), "The apps that tokens of our issuer may name, comma separated.")
    issuer: str = setting(
        "", "The claim `iss` of another issuer whose tokens are accepted too.", shown="no other issuer"
    )
    issuer_jwks: str = setting(
        "",
        "Where that issuer's public keys are (JWKS): an `https` address, or a file.",
        shown="no other issuer",
    )
    issuer_audience: str = setting(
        "", "If set, the claim `aud` that tokens of that issuer must carry.", shown="not checked"
    )
    issuer_algorithms: NameList = setting(
        ("RS256", "ES256", "EdDSA"),
        "What tokens of that issuer may be signed with: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512,"
        " EdDSA; comma separated.",
    )
    issuer_apps: NameList = setting(("main",), "The apps that tokens of that issuer may name.")
    user_scopes: NameList = setting(
        lambda data: ("messages:write", "everyone:write", "presence:read") if in_development(data) else (),
        "Scopes that every user's token has besides those it names, comma separated.",
        shown="messages:write,everyone:write,presence:read in development, none in production",
    )
    token_ttl: int = setting(
        3600, "Life of a token issued by `make token` and the development sign-in.", "seconds", ge=1
    )
    query_token: bool = setting(
        in_development, "Accept `?token=` on the WebSocket handshake.", shown="true in development"
    )
    dev_sign_in: bool = setting(
        in_development,
        "Let anybody on this machine choose a user name in the console, and send by the open routes of"
        " docs/compatibility.md; refused in production.",
        shown="true in development",
    )
    console: bool = setting(in_development, "Serve the page /console.", shown="true in development")
    origins: NameList = setting(
        own_origins,
        "Origins of pages that may connect with a cookie and call the API, comma separated.",
        shown="api's own in development, none in production",
    )
    flower_user: str = setting("bellhop", "The user name Flower asks for.")
    flower_password: SecretStr = setting(
        SecretStr(""), "The password Flower asks for; generated in development."
    )

    @field_validator("jwt_secrets")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        parse_signing_keys(value.get_secret_value())
        return value

    @field_validator("issuer_algorithms")
    @classmethod
    def _check_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in ALGORITHMS]:
            raise ValueError(f"names no algorithm with public keys: {', '.join(unknown)}")
        return value

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_origins(value)

    @field_validator("user_scopes")
    @classmethod
    def _check_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := split_scopes(value, allowed=frozenset(SCOPES)).unknown:
            raise ValueError(f"names no scope: {', '.join(unknown)}")
        return value

    @property
    def revocation_life(self) -> int:
        """Seconds that a revocation is remembered: until no token that was issued before can be accepted any more."""
        return self.token_life_max + self.jwt_leeway + _SKEW_S

    @property
    def issues_tokens(self) -> bool:
        """Whether there is a secret to sign tokens with; without one another issuer's are the only ones."""
        return bool(self.signing_keys())

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return the JWT secrets by key id, the signing one first."""
        return parse_signing_keys(self.jwt_secrets.get_secret_value())
