"""What presenting a refresh token means: rotation, a repetition that lost its answer, or theft. Pure.

After RFC 9700 section 4.14.2: each token is good once, and one that comes again ends its whole family, because one of
the two who hold it has stolen it. Only the token before the newest may come again, for a moment and from the same
client: two tabs refresh at once, and answers get lost (FAPI 2.0 Security Profile, section 5.3.2.1).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

REPEAT_MS: Final = 10_000
"""How long after its use the immediately previous token still gets the same successor."""


class Meaning(StrEnum):
    """What is to be done with who presents it."""

    ROTATE = "rotate"
    """It was not used before: a successor takes its place."""

    REPEAT = "repeat"
    """The same client asks again: it gets the same successor."""

    STOLEN = "stolen"
    """It was used, and this is no repetition: the family ends."""

    OVER = "over"
    """The session has ended, or the user may not come in."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as it is stored, and its family; instants are epoch milliseconds. `client` is who signed in or refreshed
    last, `newest`: the token that took its place was not used itself."""

    used_at: int | None
    newest: bool
    client: str
    last_used_at: int
    expires_at: int
    revoked: bool
    disabled: bool


def judge(found: Presented, *, client: str, now_ms: int, idle_ms: int) -> Meaning:
    """Decide. `idle_ms`: a session that nobody used for so long is over."""
    if found.revoked or found.disabled or now_ms >= min(found.expires_at, found.last_used_at + idle_ms):
        return Meaning.OVER
    if found.used_at is None:
        return Meaning.ROTATE
    again = found.newest and now_ms - found.used_at <= REPEAT_MS and client == found.client
    return Meaning.REPEAT if again else Meaning.STOLEN
