"""When a notification is to be sent: from `send_at` and `send_at_zone` to instants.

Rule P. What lies in the past is sent at once, so that a retry of the sender or a slow clock does no harm.
"""

from datetime import datetime
from typing import Final, NamedTuple

from api.schemas.notifications import NotificationIn
from api.validation import invalid
from shared.clock import to_ms
from shared.domain import local_time
from shared.domain.zones import is_zone

RECIPIENT: Final = "recipient"
_YEARS: Final = range(1971, 9999)
"""Without the first and last, whose zones may lie outside of what can be counted."""
_INSTANT: Final = "An instant with Z or an offset, or a local time together with send_at_zone."


class SendingTime(NamedTuple):
    """`at`: when the first recipient gets it, `until`: when the last one does, epoch milliseconds; None and the
    present for what goes at once. `local_at`: the wall clock, if it is each recipient's own."""

    at: int | None
    until: int
    local_at: str | None = None


def read(asked: NotificationIn, *, now_ms: int, ahead_max_s: int) -> SendingTime:
    """When to send it. Raises InvalidRequest."""
    text, zone = asked.get("send_at"), asked.get("send_at_zone")
    if text is None:
        if zone is not None:
            raise invalid("send_at_zone", "Needs send_at.")
        return SendingTime(None, now_ms)
    found = _parse(text)
    local_at = None
    if found.tzinfo is not None:
        if zone is not None:
            raise invalid("send_at_zone", "send_at names an offset already.")
        first = last = to_ms(found)
    elif zone is None:
        raise invalid("send_at", _INSTANT)
    elif zone == RECIPIENT:
        first, last = local_time.first_anywhere(found), local_time.last_anywhere(found)
        local_at = found.isoformat()
    elif is_zone(zone):
        first = last = local_time.in_zone(found, zone)
    else:
        raise invalid("send_at_zone", "Not a time zone: an IANA name such as Europe/Lisbon, or recipient.")
    if last > now_ms + ahead_max_s * 1000:
        raise invalid("send_at", f"More than {ahead_max_s} seconds ahead.")
    if last <= now_ms:
        return SendingTime(None, now_ms)
    return SendingTime(max(first, now_ms), last, local_at)


def _parse(text: str) -> datetime:
    """Seconds and finer may be left out; finer than a second is cut off a local time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("send_at", _INSTANT) from None
    if found.year not in _YEARS:
        raise invalid("send_at", "Not a year in which anything can be sent.")
    return found if found.tzinfo is not None else found.replace(microsecond=0)
