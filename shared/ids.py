"""Ids: UUIDv7 (RFC 9562 section 5.7), so that ids sort by time of acceptance; time and randomness come in."""

import re

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def uuid7(ms: int, random: bytes) -> str:
    """A UUIDv7 as 36 characters from epoch milliseconds and 10 random bytes (74 of their bits are used)."""
    time, noise = f"{ms:012x}", random[:10].hex()
    variant = "89ab"[random[1] & 3]
    return f"{time[:8]}-{time[8:]}-7{noise[:3]}-{variant}{noise[5:8]}-{noise[8:]}"


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in lower case with dashes, the only spelling that we take."""
    return _UUID.match(text) is not None
