"""Why a WebSocket is closed: code, name, and whether the client should come back (DESIGN section 6)."""

from enum import IntEnum


class CloseCode(IntEnum):
    """RFC 6455 section 7.4.1 for protocol faults, the 4000 range for ours."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    TOO_BIG = 1009
    CREDENTIAL_INVALID = 4001
    FORBIDDEN = 4003
    TOO_SLOW = 4008
    POSITION_LOST = 4010
    TOKEN_EXPIRED = 4011
    GOING_AWAY = 4012
    TOO_MANY = 4029


STOP = frozenset({CloseCode.CREDENTIAL_INVALID, CloseCode.FORBIDDEN})
"""The codes after which a client must not come back by itself; every other one says: come back."""

REFUSALS = {
    403: CloseCode.FORBIDDEN,
    429: CloseCode.TOO_MANY,
    500: CloseCode.GOING_AWAY,
    503: CloseCode.GOING_AWAY,
}
"""The codes for what would be this status over HTTP; for any other one the credential is invalid."""

MEANING: dict[CloseCode, str] = {
    CloseCode.NORMAL: "the client asked for it",
    CloseCode.PROTOCOL_ERROR: "a frame broke RFC 6455",
    CloseCode.UNSUPPORTED_DATA: "a binary message; only text is understood",
    CloseCode.INVALID_DATA: "text that is not UTF-8, or not a JSON object",
    CloseCode.TOO_BIG: "a frame or message over 64 KiB, or over 64 fragments",
    CloseCode.CREDENTIAL_INVALID: "the credential is missing or invalid: stop",
    CloseCode.FORBIDDEN: "the credential does not allow this: stop",
    CloseCode.TOO_SLOW: "the client does not read what it is sent",
    CloseCode.POSITION_LOST: "the position cannot be followed: resume",
    CloseCode.TOKEN_EXPIRED: "the token ended: renew it and come back",
    CloseCode.GOING_AWAY: "the node is going away: come back after retry_after",
    CloseCode.TOO_MANY: "too many connections or messages: come back later",
}


def comes_back(code: int) -> bool:
    """Whether a client that sees this code should reconnect by itself."""
    return code not in STOP
