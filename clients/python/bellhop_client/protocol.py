"""The client's half of the protocol `bellhop.v1`, without sockets, threads, clocks or randomness.

Apart from the socket, so that every decision "exactly once" rests on is tested as frames in, actions out. The
same machine is in `clients/js/bellhop.js`; `tests/vectors` holds both to one behaviour. Times are seconds of
any clock that only goes forward.
"""

from typing import Any

from bellhop_client import backoff
from bellhop_client.acks import Acks
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
    Settle,
    Show,
    Stop,
    fields_of,
    whole,
)
from bellhop_client.requests import error
from bellhop_client.tuning import GAP, OURS, Phase, Tuning
from bellhop_client.watching import Watching

LIVE = frozenset({Phase.REPLAYING, Phase.ONLINE})
NEW = Position()
DEFAULTS = Tuning()


class Protocol:
    """Frames in, actions out. One thing at a time: after `Show` or `Lost` comes `done` or `failed`."""

    def __init__(self, position: Position = NEW, *, tuning: Tuning = DEFAULTS, renews: bool = True) -> None:
        self.position = position
        self.phase = Phase.IDLE
        self._tuning = tuning
        self._renews = renews
        self._acks = Acks(tuning.ack_every, tuning.ack_after)
        self._requests = Watching(tuning.request_wait)
        self._pending: Show | Lost | None = None
        self._bye: Frame | None = None
        self._replay_awaited = False
        self._tries = 0
        self._failing: tuple[str, int, int] | None = None
        self._rev: int | None = None
        self._began_at = 0.0
        self._welcomed_at: float | None = None
        self._heard_at = 0.0
        self._pinged_at: float | None = None

    # One connection's life

    def connect(self, now: float) -> list[Action]:
        """A connection begins; sign in with `self.position.since()`."""
        self.phase = Phase.CONNECTING
        self._began_at = self._heard_at = now
        self._bye = self._pinged_at = self._welcomed_at = None
        self._acks.known(self.position)
        return [_status("connecting")]

    def heard(self, now: float) -> None:
        """Something arrived, a WebSocket ping included: the connection lives."""
        self._heard_at = now
        self._pinged_at = None

    def receive(self, frame: Frame, now: float) -> list[Action]:
        """Decide what one frame means. Unknown types and fields are ignored."""
        kind = frame.get("type")
        if kind in ("reply", "error"):
            return self._answer(frame)
        if self._pending is not None:
            raise RuntimeError("finish what is shown first: call done() or failed()")
        if self.phase is Phase.CONNECTING:
            return self._before_welcome(frame, now)
        if self.phase not in LIVE:
            return []
        out: list[Action] = []
        match kind:
            case "notification" | "position":
                out = self._stream(frame, now)
            case "caught_up" if self._replay_awaited:
                out = self._caught_up(frame)
            case "state" | "retract" | "signal":
                out = [Emit(kind, frame), *self._counts(frame), *self._requests.heard(frame)]
            case "expiring":
                out = [Emit(kind, fields_of(frame))]
            case "bye":
                self._bye = frame
        return out

    def done(self, now: float) -> list[Action]:
        """The handlers took what was pending: only now the position moves."""
        pending, self._pending = self._pending, None
        match pending:
            case Show(frame):
                return self._advance(frame["stream"], frame["seq"], now)
            case Lost(_, position):
                self.position, self._failing = position, None
                # The caller has what it reloaded, so the server may count it as delivered.
                self._acks.known(Position(position.epoch))
                self._acks.moved(now)
                return [Save(position, replace=True), *self._whole()]
        return []

    def failed(self, now: float, reason: str = "") -> list[Action]:
        """A handler raised: the position stays and the server sends it again, but not for ever."""
        pending, self._pending = self._pending, None
        if isinstance(pending, Show):
            stream, seq = pending.frame["stream"], pending.frame["seq"]
            again = self._failing is not None and self._failing[:2] == (stream, seq)
            attempts = self._failing[2] + 1 if again and self._failing else 1
            self._failing = (stream, seq, attempts)
            if attempts >= self._tuning.handler_attempts:
                passed = Emit("failed", {"error": reason, "notification": pending.frame})
                return [passed, *self._advance(stream, seq, now)]
        return self._give_up(OURS, "handler failed", flush=True)

    def closed(
        self, now: float, code: int, reason: str = "", *, jitter: float, retry_after: float | None = None
    ) -> list[Action]:
        """The socket is gone, or was never there: come back, when, and with a fresh token or not."""
        self._requests.parted()
        if self.phase in (Phase.STOPPED, Phase.IDLE):
            return []
        ending = backoff.ending(code, reason, self._bye, retry_after=retry_after, renews=self._renews)
        if not ending.back:
            return self._stop(ending.code, ending.reason)
        if self._welcomed_at is not None and now - self._welcomed_at >= self._tuning.steady_after:
            self._tries = 0
        wait = max(backoff.delay(self._tries, jitter), ending.wait)
        self._tries += 1
        self.phase = Phase.IDLE
        renew = ending.code == backoff.TOKEN_EXPIRED or self._welcomed_at is None
        return [_status("offline", code=ending.code, reason=ending.reason, retry_in=wait), Retry(wait, renew)]

    def leave(self) -> list[Action]:
        """The caller wants to end: the last ack goes out before the close."""
        if self.phase is Phase.STOPPED:
            return []
        last = self._acks.flush(self.position) if self.phase in LIVE else []
        return [*last, Close(1000, "done"), *self._stop(1000, "done")]

    def request(self, kind: str, fields: Frame, now: float) -> tuple[str, list[Action]]:
        """Ask for `read`, `send`, `watch` and the like: sent when online, and again after a cut."""
        ref, frame = self._requests.add(kind, fields, now)
        if self.phase is Phase.STOPPED:
            return ref, self._requests.refuse()
        return ref, [Send(frame)] if self.phase in LIVE else []

    # Time

    def tick(self, now: float) -> list[Action]:
        """Do what has become due by `now`."""
        out = self._requests.expire(now)
        if self.phase is Phase.CONNECTING and now - self._began_at >= self._tuning.welcome_wait:
            return out + self._give_up(OURS, "no welcome")
        if self.phase not in LIVE:
            return out
        if self._acks.due_at is not None and now >= self._acks.due_at:
            out += self._acks.flush(self.position)
        if self._pinged_at is not None and now - self._pinged_at >= self._tuning.pong_wait:
            out += self._give_up(OURS, "silent")
        elif self._pinged_at is None and now - self._heard_at >= self._tuning.ping_after:
            self._pinged_at = now
            out.append(Send({"type": "ping"}))
        return out

    def next_at(self) -> float | None:
        """When `tick` has something to do next; None: nothing is awaited."""
        times = [self._requests.next_at()]
        if self.phase is Phase.CONNECTING:
            times.append(self._began_at + self._tuning.welcome_wait)
        elif self.phase in LIVE:
            silent = self._heard_at + self._tuning.ping_after
            times.append(silent if self._pinged_at is None else self._pinged_at + self._tuning.pong_wait)
            times.append(self._acks.due_at)
        return min((time for time in times if time is not None), default=None)

    # Frames

    def _before_welcome(self, frame: Frame, now: float) -> list[Action]:
        if frame.get("type") == "bye":
            self._bye = frame
        return self._welcome(frame, now) if frame.get("type") == "welcome" else []

    def _welcome(self, frame: Frame, now: float) -> list[Action]:
        recovered, theirs = frame.get("recovered"), Position.of(frame)
        moved_house = self.position.known() and self.position.epoch != theirs.epoch
        self._replay_awaited = recovered is None
        self._welcomed_at = now
        self._rev = None
        hello = {name: frame.get(name) for name in ("user", "connection", "recovered", "expires_at")}
        waits = moved_house or recovered is not True
        self.phase = Phase.REPLAYING if waits else Phase.ONLINE
        out: list[Action] = [_status("replaying" if waits else "online", **hello)]
        out += self._requests.resume(now)
        out += self._counts(frame)
        if moved_house or recovered is False:
            return [*out, self._lose("epoch" if moved_house else "not_recovered", theirs)]
        out += self._fill(theirs)
        self._acks.known(self.position)
        return out

    def _stream(self, frame: Frame, now: float) -> list[Action]:
        stream, seq, prev = frame.get("stream"), whole(frame.get("seq")), whole(frame.get("prev"))
        if stream not in STREAMS or seq is None or prev is None or prev >= seq:
            return [Emit("error", error("bad_frame", "a frame without stream, prev < seq", retryable=False))]
        last = self.position.get(stream)
        if last is not None and seq <= last:
            return []
        if last is not None and prev > last:
            return self._give_up(GAP, f"gap on {stream}: have {last}, next follows {prev}", flush=True)
        if frame["type"] == "position":
            return self._advance(stream, seq, now)
        self._pending = Show(frame)
        return [self._pending]

    def _caught_up(self, frame: Frame) -> list[Action]:
        theirs = Position.of({**frame, "epoch": self.position.epoch})
        self._replay_awaited = False
        if frame.get("recovered") is False:
            return [self._lose("not_recovered", theirs)]
        for stream in STREAMS:
            last, top = self.position.get(stream), theirs.get(stream)
            if last is not None and top is not None and last < top:
                return self._give_up(GAP, f"gap on {stream}: have {last}, caught up to {top}", flush=True)
        self._acks.took(theirs, where_unknown_in=self.position)
        return [*self._fill(theirs), *self._whole()]

    def _fill(self, theirs: Position) -> list[Action]:
        """Take the server's position where none is known."""
        before, self.position = self.position, self.position.filled(theirs)
        return [Save(self.position)] if self.position != before and self.position.known() else []

    def _lose(self, reason: str, theirs: Position) -> Lost:
        lost = Lost(reason, theirs)
        self._pending = lost
        return lost

    def _whole(self) -> list[Action]:
        """Online, unless an announced replay has not ended or the connection is already given up."""
        if self.phase is not Phase.REPLAYING or self._replay_awaited:
            return []
        self.phase = Phase.ONLINE
        return [_status("online")]

    def _counts(self, frame: Frame) -> list[Action]:
        """Counts older than the newest seen are dropped: states may overtake one another."""
        rev, counts = whole(frame.get("rev")), frame.get("counts")
        if rev is not None:
            if self._rev is not None and rev < self._rev:
                return []
            self._rev = rev
        return [Emit("counts", counts)] if isinstance(counts, dict) else []

    def _answer(self, frame: Frame) -> list[Action]:
        ref, result = frame.get("ref"), frame.get("result")
        news = self._requests.learn(frame)
        if self._requests.take(ref):
            if frame["type"] == "error":
                return [Settle(str(ref), error=fields_of(frame))]
            answer: Frame = result if isinstance(result, dict) else {}
            return [*self._counts(answer), *news, Settle(str(ref), result=answer)]
        return [Emit("error", fields_of(frame))] if frame["type"] == "error" else news

    # Position and endings

    def _advance(self, stream: str, seq: int, now: float) -> list[Action]:
        self.position = self.position.at(stream, seq)
        self._tries = 0
        out: list[Action] = [Save(self.position)]
        if self.phase in LIVE and self._acks.moved(now):
            out += self._acks.flush(self.position)
        return out

    def _give_up(self, code: int, reason: str, *, flush: bool = False) -> list[Action]:
        if self.phase not in LIVE and self.phase is not Phase.CONNECTING:
            return []
        last = self._acks.flush(self.position) if flush else []
        self.phase = Phase.LEAVING
        self._bye = None
        return [*last, Close(code, reason)]

    def _stop(self, code: int, reason: str) -> list[Action]:
        self.phase = Phase.STOPPED
        self._tries = 0
        answers = self._requests.refuse()
        return [*answers, _status("stopped", code=code, reason=reason), Stop(code, reason)]


def _status(status: str, **more: Any) -> Emit:
    return Emit("status", {"status": status, **more})
