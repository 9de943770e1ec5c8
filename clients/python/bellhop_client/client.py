"""The client: the protocol machine joined to a socket, a thread, a clock and a storage.

Handlers run on the client's own thread, one after the other, in stream order. The position moves and is saved after
the handlers of a notification returned.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from bellhop_client.actions import (
    Action,
    Close,
    Emit,
    Frame,
    Lost,
    Position,
    Retry,
    Save,
    Send,
    Settle,
    Show,
    Stop,
)
from bellhop_client.asking import Asking
from bellhop_client.listeners import Handler, Listeners
from bellhop_client.opening import SignIn, opening
from bellhop_client.outside import REAL, Outside
from bellhop_client.protocol import Protocol
from bellhop_client.renewing import TokenSource, renew
from bellhop_client.reply import Reply
from bellhop_client.storage import MemoryStorage, Storage
from bellhop_client.transport import ABNORMAL, Alive, Closed, Text, Transport
from bellhop_client.tuning import Tuning

log = logging.getLogger("bellhop_client")


class Bellhop(Asking):
    """Follow a user's notifications. `on(...)` handlers, then `start()`; `stop()` sends the last ack.

    `url` may be several nodes: after a connection ends the next one is tried. `token` is a token or a function that
    gets one. `storage` keeps the position; without it the client starts anew with each process.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        token: str | TokenSource,
        *,
        storage: Storage | None = None,
        sign_in: SignIn = "header",
        tuning: Tuning | None = None,
        outside: Outside = REAL,
    ) -> None:
        self._urls = [url] if isinstance(url, str) else list(url)
        self._token = token
        self._storage = storage or MemoryStorage()
        self._sign_in = sign_in
        self._outside = outside
        position = Position.of(self._storage.load())
        self._protocol = Protocol(position, tuning=tuning or Tuning(), renews=callable(token))
        self._listeners = Listeners()
        self.on("expiring", lambda _: renew(token, self._send))
        self._replies: dict[str, Reply] = {}
        self._lock = threading.RLock()
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._transport: Transport | None = None
        self._ended: Closed | None = None
        self._next: Retry | Stop | None = None
        self._attempts = 0
        self.status = "idle"

    @property
    def position(self) -> Frame:
        """How far both streams were shown."""
        return self._protocol.position.as_dict()

    def on(self, event: str, handler: Handler) -> Handler:
        """Call `handler` with each `event`'s payload."""
        self._listeners.add(event, handler)
        return handler

    def start(self) -> None:
        """Connect, and stay connected, on a thread of its own."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self.run, name="bellhop-client", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Acknowledge what was shown, close, and wait for the thread; from any thread, handlers included."""
        self._stopping.set()
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def run(self) -> None:
        """Connect and stay connected, on this thread, until `stop` or a close code that says stop."""
        self._thread = threading.current_thread()
        renew = False
        while not self._stopping.is_set():
            self._attempt(renew=renew)
            match self._next:
                case Retry(delay, renew):
                    self._pause(delay)
                case _:
                    return
        self._decide(self._protocol.leave)

    def __enter__(self) -> "Bellhop":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # One connection

    def _attempt(self, *, renew: bool) -> None:
        self._ended = self._next = None
        self._decide(lambda: self._protocol.connect(self._now()))
        ended = self._connect(renew=renew)
        if self._next is None:
            self._decide(
                lambda: self._protocol.closed(
                    self._now(),
                    ended.code,
                    ended.reason,
                    jitter=self._outside.random(),
                    retry_after=ended.retry_after,
                )
            )

    def _connect(self, *, renew: bool) -> Closed:
        try:
            token = self._token(renew) if callable(self._token) else self._token
        except Exception as failed:  # noqa: BLE001 - the caller's function; whatever it raises, we try again later
            return Closed(ABNORMAL, f"no token: {failed}")
        if token is None:
            self._decide(self._protocol.leave)
            return Closed(1000, "signed out")
        url = self._urls[self._attempts % len(self._urls)]
        self._attempts += 1
        begin = opening(url, token, self._protocol.position, self._sign_in)
        transport = self._outside.dial(begin.url, begin.headers)
        return transport if isinstance(transport, Closed) else self._serve(transport, begin.first)

    def _serve(self, transport: Transport, first: Frame | None) -> Closed:
        self._transport = transport
        try:
            if first is not None:
                self._send(first)
            while self._ended is None:
                self._ended = self._turn(transport)
            return self._ended
        finally:
            self._transport = None
            transport.close(1000, "")

    def _turn(self, transport: Transport) -> Closed | None:
        """Wait for one thing, do it, and do what has become due."""
        if self._stopping.is_set():
            self._decide(self._protocol.leave)
            return self._ended
        match transport.receive(self._until_due()):
            case Closed() as closed:
                return closed
            case Text(text):
                self._protocol.heard(self._now())
                self._message(text)
            case Alive():
                self._protocol.heard(self._now())
        self._decide(lambda: self._protocol.tick(self._now()))
        return self._ended

    def _message(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if isinstance(frame, dict):
            self._decide(lambda: self._protocol.receive(frame, self._now()))
        else:
            log.warning("a message that is not a JSON object was ignored")

    def _pause(self, delay: float) -> None:
        """Wait before the next connection; requests run out of time meanwhile, and `stop` ends it."""
        until = self._now() + delay
        while not self._stopping.is_set() and (now := self._now()) < until:
            due = self._until_due()
            self._wakeup.wait(until - now if due is None else min(until - now, due))
            self._wakeup.clear()
            self._decide(lambda: self._protocol.tick(self._now()))

    # Doing what the machine decided

    def _decide(self, decision: Callable[[], list[Action]]) -> None:
        with self._lock:
            todo = deque(decision())
        while todo:
            todo.extendleft(reversed(self._perform(todo.popleft())))

    def _perform(self, action: Action) -> list[Action]:
        match action:
            case Send(frame):
                self._send(frame)
            case Show(frame):
                return self._hand_over("notification", frame)
            case Lost(reason, position):
                return self._hand_over("lost", {"reason": reason, "position": position.as_dict()})
            case Save(position):
                self._save(position)
            case Emit(event, payload):
                self._tell(event, payload)
            case Settle(ref, result, error):
                self._replies.pop(ref).settle(result, error)
            case Close(code, reason):
                if self._transport is not None:
                    self._transport.close(code, reason)
                self._ended = Closed(code, reason)
            case Retry() | Stop():
                self._next = action
        return []

    def _hand_over(self, event: str, payload: Frame) -> list[Action]:
        """Run the handlers without the lock: they may take long, and may ask for something."""
        try:
            self._listeners.call(event, payload)
        except Exception as failed:
            log.exception("a handler failed")
            with self._lock:
                return self._protocol.failed(self._now(), f"{type(failed).__name__}: {failed}")
        with self._lock:
            return self._protocol.done(self._now())

    def _tell(self, event: str, payload: Frame) -> None:
        self.status = payload["status"] if event == "status" else self.status
        self._listeners.tell(event, payload)

    def _save(self, position: Position) -> None:
        try:
            self._storage.save(position.as_dict())
        except Exception as failed:
            log.exception("the position could not be saved")
            message = f"the position could not be saved: {failed}"
            self._tell("error", {"code": "storage", "message": message, "retryable": True})

    def _send(self, frame: Frame) -> None:
        transport = self._transport
        if transport is not None:
            transport.send(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    def _request(self, kind: str, fields: Frame) -> Reply:
        reply = Reply(self._thread)
        with self._lock:
            ref, actions = self._protocol.request(kind, fields, self._now())
            self._replies[ref] = reply
        self._decide(lambda: actions)
        self._wake()
        return reply

    def _wake(self) -> None:
        self._wakeup.set()
        transport = self._transport
        if transport is not None:
            transport.wake()

    def _until_due(self) -> float | None:
        with self._lock:
            due = self._protocol.next_at()
        return None if due is None else max(0.0, due - self._now())

    def _now(self) -> float:
        return self._outside.clock()
