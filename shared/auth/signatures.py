"""How a token is signed, read by PyJWT with the algorithm and the key that we chose.

Rule P. Nothing of a token's header decides more than which of our keys is tried. Times and the subject are checked by
shared.auth.claims: PyJWT knows neither our clock nor that a user's name may be a number.
"""

from typing import Any, Final, NamedTuple

import jwt

from shared.auth.claims import TokenInvalid

_JWT: Final = jwt.PyJWT(options={"enforce_minimum_key_length": True})


class WrongSignature(TokenInvalid):
    """This key did not sign it."""


class KeyUnknown(TokenInvalid):
    """The key that signed it is not known: it may be one that the issuer has since yesterday only."""


class Demands(NamedTuple):
    """The claims `iss` and `aud` that a token must carry; None: whatever it says."""

    issuer: str | None
    audience: str | None


def header_of(token: str) -> dict[str, Any]:
    """The header, not to be believed. Raises TokenInvalid."""
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenInvalid("The token is not a JSON Web Token.") from None


def sign(claims: dict[str, Any], secret: str, *, algorithm: str, headers: dict[str, Any]) -> str:
    """Make a token."""
    return _JWT.encode(claims, secret, algorithm=algorithm, headers=headers)


def claims_of(token: str, key: Any, *, algorithm: str, demands: Demands) -> dict[str, Any]:
    """The claims of a token that this key signed with this algorithm.

    Raises WrongSignature, or TokenInvalid for what is wrong whoever signed it; no other exception leaves this function.
    """
    try:
        return _decode(token, key, algorithm, demands)
    except jwt.InvalidSignatureError:
        raise WrongSignature("The token's signature is wrong.") from None
    except jwt.MissingRequiredClaimError as missing:
        raise TokenInvalid(f"The token lacks the claim {missing.claim}.") from None
    except jwt.InvalidIssuerError:
        raise TokenInvalid("The token comes from another issuer.") from None
    except jwt.InvalidAudienceError:
        raise TokenInvalid("The token is meant for another audience.") from None
    except jwt.InvalidKeyError:
        raise TokenInvalid("The key named by kid is too short to be used.") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenInvalid("The token is malformed.") from None


def _decode(token: str, key: Any, algorithm: str, demands: Demands) -> dict[str, Any]:
    claims: dict[str, Any] = _JWT.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=demands.issuer,
        audience=demands.audience,
        options={
            "require": ["exp"],
            "verify_aud": demands.audience is not None,
            "verify_iss": demands.issuer is not None,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_sub": False,
            "verify_jti": False,
        },
    )
    return claims
