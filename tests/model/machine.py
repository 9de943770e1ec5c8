"""The machine: Hypothesis chooses what happens to the world of tests.model.world, step by step."""

import sys
from collections.abc import Callable
from typing import Any

import structlog
from bellhop_client.actions import STREAMS
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.database import Wish
from tests.model.world import USERS, World

PICK = st.integers(0, 7)
NODE = st.integers(0, 1)
DEVICE = st.integers(0, len(USERS) - 1)
TTL = st.sampled_from([1_000_000, 1_000_000, 1_000_000, 4])
TO_USERS = st.builds(
    Wish,
    users=st.sampled_from([("ana",), ("ana", "ben"), ("ben",)]),
    ttl=TTL,
    size=st.sampled_from([0, 0, 400]),
)
TO_ALL = st.builds(Wish, exclude=st.sampled_from([(), (), ("ana",), ("ben",)]), ttl=TTL)
WISHES = st.lists(st.one_of(TO_USERS, TO_ALL), min_size=1, max_size=6)
FATE = st.sampled_from(
    ["arrives", "arrives", "waits", "is lost", "is torn", "loses its beginning", "is reversed"]
)
"""What becomes of what is published, on its way to one node."""


def when(condition: Callable[[World], object]) -> Any:
    """The rule may be chosen only in such a world, so that few steps do nothing."""
    return precondition(lambda machine: condition(machine.world))


class Machine(RuleBasedStateMachine):
    """Everything that may go wrong between a commit and a screen."""

    world: World

    @initialize(
        hold_bytes=st.sampled_from([100_000, 100_000, 600, 0]), online=st.sampled_from([True, True, False])
    )
    def begin(self, hold_bytes: int, online: bool) -> None:
        self.world = World(hold_bytes)
        if online:
            for device in range(len(USERS)):
                self.world.connect(device, device % 2)
                self.world.settle()

    # Workers

    @rule(wishes=WISHES, fates=st.tuples(FATE, FATE))
    def send(self, wishes: list[Wish], fates: tuple[str, str]) -> None:
        self.world.workers.send(wishes, publish=True, fates=fates)

    @rule(wishes=WISHES)
    def commit_and_die(self, wishes: list[Wish]) -> None:
        self.world.workers.send(wishes, publish=False)

    @when(lambda world: world.workers.unpublished)
    @rule(pick=PICK, torn=st.booleans(), fates=st.tuples(FATE, FATE))
    def publish_late(self, pick: int, torn: bool, fates: tuple[str, str]) -> None:
        self.world.workers.publish(pick, torn=torn, fates=fates)

    @when(lambda world: world.workers.stored)
    @rule(pick=PICK)
    def publish_again(self, pick: int) -> None:
        self.world.workers.publish_again(pick)

    @rule()
    def workers_rest(self) -> None:
        self.world.workers.rest = not self.world.workers.rest

    @when(lambda world: world.workers.jobs)
    @rule(pick=PICK, way=st.sampled_from(["runs", "runs", "lost", "twice", "refused"]), fate=FATE)
    def job(self, pick: int, way: str, fate: str) -> None:
        if way == "refused":
            self.world.workers.refuse(pick)
        else:
            self.world.workers.work(pick, lose=way == "lost", twice=way == "twice", fates=(fate, fate))

    @rule(times=st.integers(1, 3))
    def workers_die(self, times: int) -> None:
        self.world.workers.dying = times

    # The bus and the nodes

    @rule()
    def bus_holds(self) -> None:
        self.world.bus.holds = not self.world.bus.holds

    @when(lambda world: world.bus.waiting())
    @rule(pick=PICK, way=st.sampled_from(["comes", "comes", "lost", "lost", "twice"]))
    def message(self, pick: int, way: str) -> None:
        nodes = self.world.bus.waiting()
        self.world.bus.arrive(nodes[pick % len(nodes)], pick, lose=way == "lost", twice=way == "twice")

    @when(lambda world: world.bus.waiting())
    @rule(pick=PICK, lose=st.booleans())
    def all_messages(self, pick: int, lose: bool) -> None:
        nodes = self.world.bus.waiting()
        self.world.bus.arrive_all(nodes[pick % len(nodes)], lose=lose)

    @rule(node=NODE)
    def kill_node(self, node: int) -> None:
        self.world.kill_node(node)

    @rule(node=NODE)
    def subscription(self, node: int) -> None:
        one = self.world.nodes[node]
        if one.hears:
            one.unsubscribe()
        else:
            one.subscribe()

    @rule(node=NODE)
    def slow_link(self, node: int) -> None:
        one = self.world.nodes[node].link
        one.slow = not one.slow
        if not one.slow:
            one.let_all_through()

    @when(lambda world: any(node.link.waiting for node in world.nodes))
    @rule(node=NODE, pick=PICK)
    def answer(self, node: int, pick: int) -> None:
        self.world.nodes[node].link.let_through(pick)

    @rule(node=NODE)
    def check_positions(self, node: int) -> None:
        self.world.nodes[node].check()

    @rule(node=NODE)
    def merge_acks(self, node: int) -> None:
        self.world.merge_acks(node)

    # Devices

    @when(lambda world: world.away())
    @rule(pick=PICK, node=NODE)
    def connect(self, pick: int, node: int) -> None:
        away = self.world.away()
        self.world.connect(away[pick % len(away)], node)

    @rule(device=DEVICE, heard=st.booleans())
    def cut(self, device: int, heard: bool) -> None:
        self.world.devices[device].cut(heard=heard)

    @rule(device=DEVICE, heard=st.booleans(), node=NODE)
    def reconnect(self, device: int, heard: bool, node: int) -> None:
        self.world.devices[device].cut(heard=heard)
        self.world.connect(device, node)

    @rule(device=DEVICE, wishes=WISHES, node=NODE)
    def absence(self, device: int, wishes: list[Wish], node: int) -> None:
        self.world.devices[device].cut(heard=True)
        self.world.workers.send(wishes, publish=True)
        self.world.connect(device, node)

    @rule(device=DEVICE, new=st.booleans())
    def restart_device(self, device: int, new: bool) -> None:
        if new:
            self.world.wipe(device)
        else:
            self.world.devices[device].restart()

    @rule(device=DEVICE, reads=PICK)
    def lag(self, device: int, reads: int) -> None:
        self.world.devices[device].read(reads)
        self.world.devices[device].lags = not self.world.devices[device].lags

    @rule(device=DEVICE, room=st.sampled_from([0, 7, 300, 900, None]))
    def network(self, device: int, room: int | None) -> None:
        if room is None:
            self.world.unjam(device)
        else:
            self.world.jam(device, room)

    @rule(device=DEVICE, pick=PICK, way=st.sampled_from(["lost", "twice", "swapped"]))
    def wire_fails(self, device: int, pick: int, way: str) -> None:
        self.world.devices[device].spoils = (pick, way)

    @rule(device=DEVICE, times=st.sampled_from([1, 2, 6]))
    def handlers_fail(self, device: int, times: int) -> None:
        self.world.devices[device].moody = times

    @rule(device=DEVICE, at=st.integers(1, 60), stream=st.sampled_from(STREAMS))
    def lie(self, device: int, at: int, stream: str) -> None:
        self.world.lie(device, stream, at)

    # Time and disasters

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.3, 1.0, 5.0, 10.5]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.3, 0.3, 10.5]))
    def more_time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(what=st.sampled_from(["bump", "back up", "restore"]))
    def database(self, what: str) -> None:
        {"bump": self.world.bump_epoch, "back up": self.world.back_up, "restore": self.world.restore}[what]()

    @rule(
        what=st.sampled_from(["tail", "tail of all", "record", "record and tail", "app", "lease"]), pick=PICK
    )
    def redis_forgets(self, what: str, pick: int) -> None:
        self.world.forget(what, USERS[pick % len(USERS)])

    @rule(what=st.sampled_from(["remember", "empty", "turn back"]))
    def redis_restarts(self, what: str) -> None:
        if what == "remember":
            self.world.remember_redis()
        else:
            self.world.restart_redis(empty=what == "empty")

    @rule()
    def calm(self) -> None:
        self.world.calm()

    @invariant()
    def everything_takes_its_course(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()
            self.world.check_confirmed()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if sys.exc_info()[0] is None:  # a run that has failed is not to fail once more
                self.world.calm()
        finally:
            self.world.close()


def quiet(*_: Any) -> Any:
    """Drop a log line: a run writes thousands."""
    raise structlog.DropEvent
