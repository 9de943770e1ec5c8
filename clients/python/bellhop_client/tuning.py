"""The protocol's numbers on the client's side, and the phases of a connection.

Apart from the machine, because callers and tests set the numbers and never touch the machine.
"""

from dataclasses import dataclass
from enum import Enum, auto

GAP = 4010
OURS = 4000
"""We give this connection up (silent, no welcome, a handler failed) and come back."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Counts and seconds; the defaults are the protocol's."""

    ack_every: int = 50
    ack_after: float = 0.5
    ping_after: float = 25.0
    pong_wait: float = 8.0
    welcome_wait: float = 15.0
    request_wait: float = 10.0
    steady_after: float = 10.0
    handler_attempts: int = 5


class Phase(Enum):
    """Where a connection stands."""

    IDLE = auto()
    CONNECTING = auto()
    REPLAYING = auto()
    ONLINE = auto()
    LEAVING = auto()
    STOPPED = auto()
