"""A device of the model: the real protocol machine of the Python client, and a ledger of what its user was shown."""

import json
from typing import Any

from bellhop_client.actions import (
    STREAMS,
    Action,
    Close,
    Emit,
    Frame,
    Lost,
    Position,
    Retry,
    Save,
    Send,
    Show,
    Stop,
)
from bellhop_client.protocol import LIVE, Protocol
from bellhop_client.tuning import GAP

from tests.model.clock import ModelClock
from tests.model.ledger import Ledger
from tests.model.node import ModelNode
from tests.model.wire import Wire
from wsnode.connection import Connection
from wsnode.dialects import native

ABNORMAL = 1006


class Device:
    """One device of one user, with a storage that outlives its process."""

    def __init__(self, user: str, name: str, clock: ModelClock, ledger: Ledger) -> None:
        self.user = user
        self.name = name
        self._clock = clock
        self.ledger = ledger
        self.storage = Position()
        self.protocol = Protocol()
        self.wire: Wire | None = None
        self.node: ModelNode | None = None
        self.connection: Connection | None = None
        self.lags = False
        """It does not read what has arrived."""
        self.moody = 0
        """So many of the next notifications its handlers refuse."""
        self.status = "idle"
        self.lost = 0
        """How often it was told that it cannot be made whole."""
        self.trusts_wire = True
        """Nothing came between the node and the device: what it gets is what the node sent."""
        self.spoils: tuple[int, str] | None = None
        """What TCP does not do: of the next frames one is lost, comes twice, or after the one behind it."""
        self._ended: Close | None = None

    def restart(self) -> None:
        """Its process dies and starts again with what was saved."""
        self.drop()
        self.protocol = Protocol(self.storage)
        self.status = "idle"

    def connect(self, node: ModelNode, wire: Wire) -> None:
        self._do(self.protocol.connect(self._now()))
        since = native.since(*(_known(self.protocol.position)))
        assert since is not None
        self.ledger.says(since)
        self.wire, self.node, self.trusts_wire = wire, node, True
        self.connection = node.accept(wire, self.user, since)

    def refused(self) -> None:
        """A handshake that was not accepted."""
        self._do(self.protocol.connect(self._now()))
        self._closed(ABNORMAL)

    def cut(self, *, heard: bool) -> None:
        """The connection breaks; `heard`: what the device had said still arrives, and it reads what had come."""
        if self.wire is None:
            return
        if heard:
            self.speak()
            self.read()
        self.drop()
        self._closed(ABNORMAL)

    def drop(self) -> None:
        """Nothing more comes or goes over the connection; the node notices."""
        wire, connection = self.wire, self.connection
        self.wire = self.node = self.connection = None
        if wire is not None and connection is not None:
            wire.closed = True
            connection.lost("the client hung up")

    def speak(self) -> bool:
        """What the device has said arrives at the node."""
        said = False
        while (
            self.wire is not None and self.wire.sent and self.node is not None and self.connection is not None
        ):
            frame = self.wire.sent.popleft()
            self.ledger.says_frame(frame)
            self.node.hear(self.connection, json.dumps(frame))
            said = True
        return said

    def read(self, most: int = 1000) -> bool:
        """Take up to `most` messages that have arrived."""
        took = False
        if self.wire is not None and self.spoils is not None:
            # Where it has no position yet it could not notice.
            known = [stream for stream in STREAMS if self.protocol.position.get(stream) is not None]
            if self.wire.spoil(*self.spoils, known):
                self.trusts_wire, self.spoils = False, None
        for _ in range(most):
            message = self.wire.receive() if self.wire is not None else None
            if message is None:
                break
            took = True
            if isinstance(message, int):
                self.drop()
                self._closed(message)
            else:
                self.protocol.heard(self._now())
                if self.trusts_wire:
                    self._check(message)
                self._do(self.protocol.receive(message, self._now()))
        return took

    def tick(self) -> None:
        """Time has passed."""
        self._do(self.protocol.tick(self._now()))

    def _check(self, frame: Frame) -> None:
        """The node promises that each frame follows what it sent before: prev <= last < seq."""
        stream = frame.get("stream")
        last = self.protocol.position.get(stream) if stream is not None else None
        if stream is None or last is None or self.protocol.phase not in LIVE:
            return
        seq, prev = frame["seq"], frame["prev"]
        assert prev <= last, f"{self.name} at {stream} {last} was sent {seq}, which follows {prev}"
        assert seq > last, f"{self.name} at {stream} {last} was sent {seq} again"

    def _now(self) -> float:
        return self._clock.monotonic()

    def _closed(self, code: int) -> None:
        self._do(self.protocol.closed(self._now(), code, jitter=0.5))

    def _do(self, actions: list[Action]) -> None:
        """As the client's shell: one after the other, what follows from one before the next."""
        todo = list(actions)
        while todo:
            todo[:0] = self._perform(todo.pop(0))
        self.ledger.at(self.protocol.position)
        if self._ended is not None:
            ended, self._ended = self._ended, None
            self.speak()
            self.drop()
            self._closed(ended.code)

    def _perform(self, action: Action) -> list[Action]:
        match action:
            case Send(frame):
                if self.wire is not None:
                    self.wire.sent.append(frame)
            case Show(frame):
                return self._show(frame)
            case Lost(reason, position):
                self.lost += 1
                self.ledger.lost(reason, position)
                return self.protocol.done(self._now())
            case Save(position):
                self.storage = position
            case Close(code, reason):
                assert code != GAP or not self.trusts_wire, f"{self.name}: {reason}"
                self._ended = action
            case Emit():
                self._hear(action)
            case Stop(code, reason):
                raise AssertionError(f"{self.name} was told to stop: {code} {reason}")
            case Retry():
                pass
        return []

    def _hear(self, event: Emit) -> None:
        """What the client tells the program around it."""
        match event:
            case Emit("status", payload):
                self.status = payload["status"]
            case Emit("failed", payload):
                self.ledger.passed_over(payload["notification"])
            case Emit("error", payload):
                raise AssertionError(f"{self.name} got {payload}")

    def _show(self, frame: Frame) -> list[Action]:
        if self.moody:
            self.moody -= 1
            return self.protocol.failed(self._now(), "not now")
        self.ledger.begins(frame)
        self.ledger.shown(frame)
        return self.protocol.done(self._now())


def _known(position: Position) -> tuple[Any, Any, Any]:
    """What goes over the wire as `since`: nothing, if no position is known."""
    said = position.since() or {}
    return said.get("epoch"), said.get("me"), said.get("all")
