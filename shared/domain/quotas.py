"""What a notification takes of the quotas on recipients, and whose they are.

Rule P. When it is accepted only its named users are known; the rest is charged when the others are.
"""

from collections.abc import Sequence
from typing import Final

KEY_QUOTA: Final = "key-quota"
APP_QUOTA: Final = "app-quota"


def cost(users: Sequence[str]) -> int:
    """Of an acceptance: its named users, each once; of topics, segments and everyone 1."""
    return max(1, len(set(users)))


def sender_subject(app: str, sender: str) -> str:
    """Whose the quota of a sender is."""
    return f"{app} {sender}"
