"""What the client takes from the world: time, randomness and sockets.

In one value, so that a test can put its own in and nothing else reaches out.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bellhop_client.transport import Dial, dial


@dataclass(frozen=True, slots=True)
class Outside:
    """The real ones unless told otherwise."""

    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    dial: Dial = dial


REAL = Outside()
