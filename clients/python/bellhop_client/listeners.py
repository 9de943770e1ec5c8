"""Who wants to hear of what.

Apart from the client because two kinds of event differ in one point: a failure in a handler of `notification` or
`lost` counts, a failure in any other listener is only logged.
"""

import logging
from collections.abc import Callable

from bellhop_client.actions import Frame

log = logging.getLogger("bellhop_client")

Handler = Callable[[Frame], object]
EVENTS = (
    "notification",
    "lost",
    "status",
    "counts",
    "state",
    "retract",
    "signal",
    "presence",
    "expiring",
    "acked",
    "failed",
    "error",
)


class Listeners:
    """Handlers by event, called in the order they came."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = {event: [] for event in EVENTS}

    def add(self, event: str, handler: Handler) -> None:
        """Call `handler` with each `event`'s payload."""
        if event not in self._handlers:
            raise ValueError(f"no event {event!r}; there are {', '.join(EVENTS)}")
        self._handlers[event].append(handler)

    def call(self, event: str, payload: Frame) -> None:
        """Call them; the first failure is the caller's to judge."""
        for handler in self._handlers[event]:
            handler(payload)

    def tell(self, event: str, payload: Frame) -> None:
        """Call them all, whatever single ones do."""
        for handler in self._handlers[event]:
            try:
                handler(payload)
            except Exception:
                log.exception("a listener failed")
