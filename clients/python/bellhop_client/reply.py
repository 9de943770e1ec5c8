"""The answer to a request, as something to wait for.

Not a bare future, because waiting for it inside a handler would wait for the thread that has to bring it.
"""

import threading
from concurrent.futures import Future

from bellhop_client.actions import Frame


class RequestFailed(Exception):
    """The server refused a request, or did not answer in time."""

    def __init__(self, error: Frame) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = str(error.get("code"))
        self.retryable = bool(error.get("retryable"))


class Reply:
    """What a request answers, once it does."""

    def __init__(self, bringer: threading.Thread | None) -> None:
        self._future: Future[Frame] = Future()
        self._bringer = bringer

    def settle(self, result: Frame | None, error: Frame | None) -> None:
        """The client calls this once."""
        if error is not None:
            self._future.set_exception(RequestFailed(error))
        else:
            self._future.set_result(result or {})

    def done(self) -> bool:
        """Whether the answer is here."""
        return self._future.done()

    def result(self, timeout: float | None = 15.0) -> Frame:
        """Wait for the answer; raises RequestFailed for an error, TimeoutError after `timeout` seconds."""
        if threading.current_thread() is self._bringer and not self.done():
            raise RuntimeError("a handler must not wait for a reply: it comes on the handler's own thread")
        return self._future.result(timeout)
