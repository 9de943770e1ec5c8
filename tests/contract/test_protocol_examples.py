"""docs/protocol.md: each example on the page is played against a real node, and the tables are those of the code."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.ids import uuid7
from shared.protocol import frames
from shared.protocol.close_codes import MEANING, CloseCode, comes_back
from shared.protocol.envelope import Counts, Record, TailFrame
from shared.protocol.retracts import Gone
from shared.redis.retract import Retractor
from tests.fixtures.redis_server import RedisServer
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import Client, Refused, wait_until
from tests.integration.wsnode.conftest import NodeProcess
from wsnode.dialects import native

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```ws\n(.*?)```", re.DOTALL)
NAME = re.compile(r"\{([a-z][a-z ]*)\}")
ANY = "…"


class OrderBackend(Backend):
    """Sends what the page shows; users of the page are warm unless it says otherwise."""

    def _row(self, seq: int, *, ttl: float, size: int, excluded: tuple[str, ...] = ()) -> TailFrame:
        row = super()._row(seq, ttl=ttl, size=size, excluded=excluded)
        head, _, rest = row.fragment.partition(b',"event"')
        sent = rest[rest.index(b',"sent_at"') :]
        text = head + b',"event":"order.paid","data":{"order":17}' + sent
        return TailFrame(row.seq, row.prev, row.expires_at, text, excluded)

    def warm(self, user: str) -> None:
        self.client.hset(f"stream:main:{user}", "nodes", "")
        self.put("main", [user])


class Player:
    """Plays the page from its first block to its last, and remembers the values that it names."""

    def __init__(self, node: NodeProcess, backend: OrderBackend) -> None:
        self.node = node
        self.backend = backend
        self.names: dict[str, str] = {"epoch": backend.epoch}
        self.client: Client | None = None

    def play(self, block: str) -> None:
        lines = joined(block)
        try:
            while lines:
                self.step(lines.pop(0), lines)
        finally:
            if self.client is not None:
                self.client.socket.close()
                self.client = None

    def step(self, line: str, rest: list[str]) -> None:
        mark, _, said = line.partition(" ")
        match mark:
            case "connect":
                self.connect(said, rest)
            case "→":
                self.say(json.loads(self.filled(said)))
            case "←":
                expected = json.loads(said)
                self.compare(expected, self.hear(late=expected.get("type") != "state"))
            case "*":
                self.elsewhere(said)
            case "closed":
                assert self.client is not None
                assert self.client.closed().code == int(said)
            case _:
                raise AssertionError(f"not understood: {line}")

    def hear(self, *, late: bool) -> dict[str, Any]:
        """The next frame; counts that an earlier connection asked for may come at any time: no example needs them."""
        assert self.client is not None
        frame = self.client.next()
        while late and frame["type"] == "state" and not frame["ids"]:
            frame = self.client.next()
        return frame

    def say(self, frame: dict[str, Any]) -> None:
        assert self.client is not None
        self.client.send(**frame)
        if frame["type"] == "ack":  # never answered: the next block relies on it
            acked = str(frame["me"]).encode()
            wait_until(lambda: self.backend.client.hget("stream:main:ana", "acked") == acked)

    def connect(self, path: str, rest: list[str]) -> None:
        headers = {}
        while not rest[0].isdigit():
            name, _, value = self.filled(rest.pop(0)).partition(": ")
            headers[name] = value
        status = int(rest.pop(0))
        if status != 101:
            with pytest.raises(Refused) as caught:
                Client(self.node.port, path=path, headers=headers)
            assert caught.value.status == status
            self.compare(json.loads(rest.pop(0)), {"error": caught.value.error})
            return
        self.client = Client(self.node.port, path=self.filled(path), headers=headers)
        while rest and ": " in rest[0] and rest[0][0].isupper():
            name, _, value = rest.pop(0).partition(": ")
            assert self.client.headers[name.lower()] == value

    def filled(self, text: str) -> str:
        """Put in the values of names."""

        def value(match: re.Match[str]) -> str:
            name = match[1]
            return (
                self.node.token(name.removeprefix("token of "))
                if name.startswith("token of ")
                else self.names[name]
            )

        return NAME.sub(value, text)

    def compare(self, expected: Any, found: Any) -> None:
        """The same fields, and each value that the page gives."""
        if expected == ANY:
            return
        if isinstance(expected, dict):
            assert isinstance(found, dict), (expected, found)
            if ANY not in expected:
                assert set(expected) == set(found), (expected, found)
            for name in expected.keys() - {ANY}:
                self.compare(expected[name], found[name])
        elif isinstance(expected, list):
            assert len(expected) == len(found), (expected, found)
            for one, other in zip(expected, found, strict=True):
                self.compare(one, other)
        elif isinstance(expected, str) and (match := NAME.fullmatch(expected)):
            assert self.names.setdefault(match[1], found) == found
        else:
            assert expected == found

    def elsewhere(self, what: str) -> None:
        """What happens meanwhile: each sentence of the page is one of these."""
        actions: dict[str, Callable[[], object]] = {
            "a notification for ana": lambda: self.backend.publish("ana"),
            "a notification for everyone": self.backend.broadcast,
            "a notification for everyone but bob": lambda: self.backend.broadcast(excluded=("bob",)),
            "three notifications for cyd, and Redis forgets its tails": self.forget,
            "another device of ana reads one": self.other_device,
            "the sender cancels the first one": self.cancel,
            "the sender cancels one that went to everyone": self.cancel_for_all,
            "frida connects": lambda: Client(self.node.port, token=self.node.token("frida")),
            "the node is told to stop": self.node.terminate,
        }
        actions[what]()

    def forget(self) -> None:
        self.backend.store("cyd", 3)
        self.backend.of("cyd").rev = 3
        self.backend.warm("cyd")

    def cancel(self) -> None:
        record = Record("ana", 1, 20, 1, 2, Counts())
        gone = Gone(1, record, Counts(total=2, unseen=1, unread=1))
        Retractor(self.backend.client).retract("main", self.backend.epoch, self.names["first"], [gone])

    def cancel_for_all(self) -> None:
        id = self.names["for all"] = uuid7(0, bytes(10))
        Retractor(self.backend.client).retract_all("main", self.backend.epoch, id, seq=2, place=3)

    def other_device(self) -> None:
        counts = {"total": 1, "unseen": 0, "unread": 0, "archived": 0}
        state = {"type": "state", "ids": [self.names["first"]], "read_at": "2026-01-01T00:00:00.000Z"}
        self.backend._bus.state("main", "ana", state | {"counts": counts, "rev": 9})


def joined(block: str) -> list[str]:
    """The lines of a block; one that is indented belongs to the one before."""
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith(" "):
            lines[-1] += " " + line.strip()
        elif line:
            lines.append(line)
    return lines


@pytest.fixture
def player(tmp_path: Path, own_redis: RedisServer) -> Iterator[Player]:
    node = NodeProcess(tmp_path, own_redis.url, drain_window="0")
    backend = OrderBackend(own_redis.url)
    backend.start()
    for user in ("ana", "bob"):
        backend.warm(user)
    node.start()
    yield Player(node, backend)
    backend.stop()
    node.stop()


def test_every_example_is_what_a_node_does(player: Player):
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) > 10
    for number, block in enumerate(blocks, 1):
        try:
            player.play(block)
        except Exception as error:
            raise AssertionError(f"block {number}:\n{block}\n{error}") from error


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first headings are `first`."""
    after = PAGE.split(f"| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in after]


def test_the_table_of_close_codes_is_that_of_the_code():
    rows = {int(row[0]): row[1:] for row in table("code | name")}
    assert rows == {
        int(code): [code.name, "yes" if comes_back(code) else "no", MEANING[code]] for code in CloseCode
    }


def test_every_type_of_frame_is_on_the_page():
    rows = " ".join(row[0] for row in table("frame"))
    types = {
        *native.READERS,
        "welcome",
        "caught_up",
        "notification",
        "position",
        "state",
    }
    assert types | {"reply", "error", "bye", "pong", "retract", "signal", "expiring"} == set(
        re.findall(r"[a-z_]+", rows)
    )


def test_a_notification_has_the_fields_of_the_page():
    text = frames.head("me", 1, 0) + frames.fragment(
        id="i", event="e", data_json="{}", sent_at_ms=0, expires_at_ms=1, sender="user:u", replaces="j"
    )
    row = next(row for row in table("frame") if row[0] == "notification")
    assert ["type", *re.findall(r"[a-z_]+", row[2])] == list(json.loads(text))
