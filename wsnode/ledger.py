"""What was delivered: counted at once, measured in part, written into the log a little later, many to a line.

Rule S. A line per envelope cost four times as much as delivering it. Now one line stands for all of a moment; on a
quiet node that is still one for each. The request ids in it lead from the API's log to this node.
"""

from datetime import datetime
from typing import Final

from shared import logs, metrics
from shared.clock import Clock, to_ms

LINE_MAX: Final = 500
"""Request ids in one line."""

OBSERVED_MAX: Final = 16
"""Notifications between two lines whose age goes into the histogram; a flood need not be measured whole."""

_SENT_END: Final = b'","expires_at":"'
_INSTANT: Final = len("2026-11-20T07:56:19.123Z")

log = logs.get(__name__)


class Ledger:
    """Counts, then tells."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._request_ids: list[bytes] = []
        self._fragments: list[bytes] = []
        self._observed = 0
        self._told = 0
        self.sent = 0
        """Frames handed to sockets, ever."""

    def note(self, request_id: bytes, fragment: bytes) -> None:
        """A notification is being delivered to somebody here."""
        self._request_ids.append(request_id)
        self._fragments.append(fragment)

    def settle(self) -> None:
        """What was noted is on its sockets now."""
        fragments = self._fragments
        if not fragments:
            return
        now = self._clock.now_ms()
        for fragment in fragments[: OBSERVED_MAX - self._observed]:
            sent_at = sent_ms(fragment)
            if sent_at is not None:
                metrics.accept_to_frame_seconds.observe(max(0, now - sent_at) / 1000)
        self._observed = min(OBSERVED_MAX, self._observed + len(fragments))
        fragments.clear()
        if len(self._request_ids) >= LINE_MAX:
            self.tell()

    def tell(self) -> None:
        """Write down what was delivered since the last line."""
        if not self._request_ids:
            return
        ids, self._request_ids = self._request_ids, []
        sent, self._told = self.sent - self._told, self.sent
        self._observed = 0
        metrics.frames_sent_total.inc(sent)
        log.info("delivered", request_ids=b" ".join(ids).decode(), frames=sent)


def sent_ms(fragment: bytes) -> int | None:
    """When a notification was sent, epoch milliseconds: accepted, or later if it was to wait.

    Read from the end, where no data of the sender's can look like it.
    """
    end = fragment.rfind(_SENT_END)
    try:
        return to_ms(datetime.fromisoformat(fragment[end - _INSTANT : end].decode())) if end > 0 else None
    except ValueError:
        return None
