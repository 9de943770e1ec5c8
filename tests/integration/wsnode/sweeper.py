"""The tick of a worker that ends presence, played by the test."""

import threading

from shared.redis.client import connect
from shared.redis.presence import Presence


class Sweeper:
    """What the worker does each second, more often."""

    def __init__(self, url: str, *, grace: float) -> None:
        self.client = connect(url)
        self.presence = Presence(self.client, grace=grace)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.presence.sweep()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.client.close()
