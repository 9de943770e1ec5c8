"""A connection in a dialect that never confirms, and what it does with what its client sends."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from shared.auth.principal import Principal, user_principal
from shared.auth.tokens import TokenInvalid
from shared.clock import SystemClock
from shared.errors import AppError
from shared.protocol.envelope import TailFrame
from shared.redis.streams import Since
from tests.model.wire import Loop, Wire
from tests.unit.wsnode.test_session import found
from wsnode import revoking
from wsnode.connection import Connection
from wsnode.dialects import classic, native
from wsnode.dialects.dialect import Dialect
from wsnode.events import Acked
from wsnode.frame_parser import Binary, Text
from wsnode.messages import Send, Waiting
from wsnode.net import Limits, Net
from wsnode.rate import Rate

LATER = 99_000_000_000_000
FAILED = {"status": "error", "message": "Failed to process message"}


class Services:
    """The node as a connection sees it."""

    node = "n1"

    def __init__(self) -> None:
        self.acks: list[Acked] = []
        self.sends: list[tuple[Send, Waiting]] = []
        self.left_reason: Any = None
        self.renewals: list[int | None] = []

    @property
    def vetting(self) -> "Services":
        return self

    def soon(self, token: str, then: Callable[[Principal | AppError], None]) -> None:
        try:
            then(self.identify(token))
        except AppError as error:
            then(error)

    def same(self, peer: Connection, token: str, then: Callable[[Principal | AppError], None]) -> None:
        self.soon(
            token, lambda found: then(found if getattr(found, "user", "") == peer.user else TokenInvalid())
        )

    def identify(self, token: str) -> Principal:
        if token not in ("ana", "bob"):
            raise TokenInvalid
        return user_principal(app="main", user=token, scopes=["messages:write"], expires_at=LATER)

    def renew(self, peer: Connection, token: str, then: Callable[[Principal | AppError], None]) -> None:
        self.same(peer, token, then)

    def renewed(self, peer: Connection) -> None:
        self.renewals.append(peer.expires_at)

    def joined(self, peer: Any, since: Since) -> None:
        pass

    def left(self, peer: Any, code: int, reason: str) -> None:
        pass

    def acked(self, peer: Any, acked: Acked) -> None:
        self.acks.append(acked)

    def ask(self, peer: Any, wish: Any) -> None:
        pass

    def repaired(self, source: str) -> None:
        pass

    def send(self, peer: Any, send: Send, asked: Waiting) -> None:
        self.sends.append((send, asked))


class Stage:
    """One connection of ana's that follows live."""

    def __init__(self, dialect: Dialect, *, signed_in: bool = True) -> None:
        self.loop, self.wire, self.services = Loop(), Wire(1), Services()
        rate = Rate(1000, 10)
        limits = Limits(
            frame_max=65536,
            fragments_max=64,
            outbox_bytes=2000,
            hold_bytes=10_000,
            messages=rate,
            controls=rate,
            message_deadline=10,
        )
        net = Net(self.loop, SystemClock(), limits)
        self.connection = Connection(
            cast(Any, self.wire), net, cast(Any, self.services), number=1, sign_in="header", dialect=dialect
        )
        if signed_in:
            self.connection.admit(self.services.identify("ana"), Since())
            self.connection.opened(found())

    def say(self, *messages: Any) -> None:
        for message in messages:
            self.connection.received(Text(message if isinstance(message, str) else json.dumps(message)))

    def frame(self, seq: int, size: int = 1) -> None:
        fragment = b'"id":"i","event":"e","data":{"m":"%s"}}' % (b"x" * size)
        self.connection.frame("me", TailFrame(seq, seq - 1, LATER, fragment))

    def heard(self) -> list[Any]:
        got = []
        while (frame := self.wire.receive()) is not None:
            got.append(frame)
        return got


@pytest.fixture
def stage() -> Stage:
    return Stage(classic)


def test_what_the_kernel_took_is_confirmed(stage: Stage):
    stage.frame(1)
    stage.frame(2)
    assert stage.services.acks == [Acked(1, 0), Acked(2, 0)]
    assert [frame["type"] for frame in stage.heard()] == ["NOTIFICATION"] * 2


def test_native_confirms_by_itself():
    stage = Stage(native)
    stage.frame(1)
    assert stage.services.acks == []
    stage.say({"type": "ack", "me": 1})
    assert stage.services.acks == [Acked(1, 0)]


def test_what_waits_for_a_client_that_does_not_read_is_confirmed_when_the_last_of_it_is_gone(stage: Stage):
    stage.wire.room = 20
    stage.frame(1, size=100)
    stage.frame(2, size=100)
    assert stage.services.acks == []
    stage.wire.room = 100
    stage.loop.writable(1)
    assert stage.services.acks == []
    stage.wire.room = None
    stage.loop.writable(1)
    assert stage.services.acks == [Acked(2, 0)]


def test_what_is_dropped_with_a_client_that_is_too_slow_is_not_confirmed(stage: Stage):
    stage.wire.room = 20
    for seq in range(1, 40):
        stage.frame(seq, size=200)
    assert not stage.connection.open
    stage.wire.room = None
    stage.loop.writable(1)
    assert stage.services.acks == []
    assert stage.heard()[-1] == 4008


def test_what_a_batch_still_holds_is_not_confirmed(stage: Stage):
    stage.connection.batch = [b"later"]
    stage.connection.session.me = 1
    stage.connection.written()
    assert stage.services.acks == []
    stage.connection.flush()
    assert stage.services.acks == [Acked(1, 0)]


def test_whatever_else_a_classic_client_says_is_passed_over(stage: Stage):
    stage.say("", "hello", "[]", {"type": "subscribe"}, {"type": "ack", "me": 1}, {"type": "refresh"})
    stage.connection.received(Binary(b"\x00"))
    assert stage.connection.open
    assert stage.heard() == []


@pytest.mark.parametrize("word", ["refresh", "auth"])
def test_a_classic_client_goes_on_with_another_token_of_its_user(stage: Stage, word: str):
    stage.connection.expires_at = LATER - 1
    stage.say({"type": word, "token": "bob"})
    assert (stage.connection.expires_at, stage.services.renewals) == (LATER - 1, [])
    stage.say({"type": word, "token": "ana"})
    assert (stage.connection.expires_at, stage.services.renewals) == (LATER, [LATER])
    assert stage.heard() == [FAILED, {"status": "refreshed", "expires_at": "5107-03-10T08:00:00.000Z"}]
    assert stage.connection.open


def test_a_native_client_signs_in_once():
    stage = Stage(native)
    stage.heard()
    stage.say({"type": "auth", "token": "ana"})
    assert [frame["code"] for frame in stage.heard()] == ["conflict"]


@pytest.mark.parametrize("first", ["", {"type": "message", "to": "bob", "content": "hi"}, {"type": "auth"}])
def test_before_it_has_signed_in_everything_but_auth_ends_it(first: Any):
    stage = Stage(classic, signed_in=False)
    stage.say(first)
    assert stage.heard() == [4001]
    assert stage.services.sends == []


def test_it_signs_in_by_its_first_message():
    stage = Stage(classic, signed_in=False)
    stage.say({"type": "auth", "token": "ana"})
    assert stage.connection.user == "ana"
    assert stage.connection.scopes == {"inbox:read", "inbox:write", "messages:write"}


def test_a_message_waits_for_its_answer_and_each_for_its_own(stage: Stage):
    stage.say(*({"type": "message", "to": "bob", "content": text} for text in "ab"))
    (one, first), (_, second) = stage.services.sends
    assert one.published
    assert first.ref != second.ref
    stage.connection.reply(second.ref, {"type": "reply", "ref": second.ref, "result": {"id": "2"}})
    stage.connection.reply(second.ref, {"type": "reply", "ref": second.ref, "result": {"id": "2"}})
    stage.connection.reply(first.ref, {"type": "error", "ref": first.ref, "code": "timeout"})
    assert stage.heard() == [{"status": "sent", "id": "2"}, FAILED]


@pytest.mark.parametrize("token", ["bob", "nonsense", 5, ""])
def test_a_token_of_a_message_must_be_a_good_one_of_the_same_user(stage: Stage, token: Any):
    stage.say({"type": "message", "to": "bob", "content": "hi", "token": token})
    assert stage.services.sends == []
    assert stage.heard() == [FAILED]
    assert stage.connection.open
    stage.say({"type": "message", "to": "bob", "content": "hi", "token": "ana"})
    assert len(stage.services.sends) == 1


def test_a_ref_that_waits_cannot_be_used_again_and_they_are_bounded():
    stage = Stage(native)
    stage.heard()
    for ref in (1, 1, *range(2, 102)):
        stage.say({"type": "send", "to": {"users": ["bob"]}, "event": "e", "ref": ref})
    assert len(stage.services.sends) == 100
    assert [(frame["ref"], frame["code"]) for frame in stage.heard()] == [
        (1, "invalid_request"),
        (101, "too_many_requests"),
    ]


def test_connections_with_the_same_scopes_share_them():
    assert Stage(native).connection.scopes is Stage(classic).connection.scopes


def test_a_dialect_may_change_while_it_waits_for_what_it_missed():
    stage = Stage(native)
    stage.heard()
    stage.connection.frame("me", TailFrame(2, 1, LATER, b'"id":"i","event":"e","data":{"n":2}}'))
    stage.connection.dialect = classic
    stage.frame(1)
    assert [frame["type"] for frame in stage.heard()] == ["NOTIFICATION"] * 2
    assert stage.services.acks == [Acked(2, 0)]


def test_what_came_early_is_not_done_for_a_client_that_is_gone():
    stage = Stage(native, signed_in=False)
    waits: list[Callable[[Principal], None]] = []
    stage.services.soon = lambda _, then: waits.append(then)  # type: ignore[method-assign,assignment]
    stage.say({"type": "auth", "token": "ana"}, {"type": "ping"})
    stage.say({"type": "send", "to": {"users": ["bob"]}, "event": "e", "ref": 1})
    stage.wire.closed = True
    waits[0](stage.services.identify("ana"))
    assert not stage.connection.open
    assert stage.services.sends == []


def test_what_is_asked_for_is_done_when_nothing_stands_against_the_token_and_in_its_order():
    stage = Stage(native, signed_in=False)
    stage.say({"type": "auth", "token": "ana"})
    for ref in range(1, 102):
        stage.say({"type": "send", "to": {"users": ["bob"]}, "event": "e", "ref": ref})
    stage.say({"type": "refresh", "token": "ana", "ref": 1})
    assert (stage.services.sends, stage.services.renewals) == ([], [])
    assert [(frame["ref"], frame["code"]) for frame in stage.heard()] == [
        (101, "too_many_requests"),
        (1, "invalid_request"),
    ]

    stage.connection.opened(found())
    stage.connection.opened(found())

    assert [asked.ref for _, asked in stage.services.sends] == list(range(1, 101))


@pytest.mark.parametrize("dialect", [native, classic])
def test_nothing_is_done_for_a_token_that_is_found_to_be_revoked(dialect: Dialect):
    stage = Stage(dialect, signed_in=False)
    stage.say({"type": "auth", "token": "ana"})
    stage.say({"type": "send", "to": {"users": ["bob"]}, "event": "e", "ref": 1})
    stage.say({"type": "message", "to": "bob", "content": "hi"})
    revoking.end(stage.connection)
    assert not stage.connection.open
    assert stage.services.sends == []


def test_what_is_told_before_the_welcome_comes_after_it_and_is_bounded():
    stage = Stage(native, signed_in=False)
    stage.connection.admit(stage.services.identify("ana"), Since())
    told = [native.state({"type": "state", "rev": number}) for number in range(200)]
    for frame in told:
        stage.connection.tell(frame)
    assert stage.heard() == []

    stage.connection.opened(found())
    stage.connection.tell(native.state({"type": "state", "rev": 1000}))

    types = [frame["type"] for frame in stage.heard()]
    assert types[0] == "welcome" and set(types[1:]) == {"state"}
    assert 20 < len(types) < 100, "10,000 bytes are held"
