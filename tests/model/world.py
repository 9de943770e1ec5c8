"""The world of the model: a database, Redis, two nodes, three devices, and what goes on between them.

Everything that may happen is a method here, named as it would be told; tests.model.machine lets Hypothesis choose.
When nothing is held up, things take their course at once (`settle`): so each step of a run can be a misfortune.
"""

import json
from functools import partial
from typing import Any

import gevent

from shared.redis.publish import TailBounds
from tests.model.bus import Bus
from tests.model.clock import ModelClock
from tests.model.database import Database
from tests.model.device import Device
from tests.model.ledger import History, Ledger
from tests.model.node import ModelNode
from tests.model.redis import Redis
from tests.model.wire import Wire
from tests.model.workers import Workers
from wsnode import events as say
from wsnode.ports import Peer

USERS = ("ana", "ana", "ben")
"""Whose the devices are: ana has two."""

TAIL = TailBounds(frames=3, bytes=1500)
ROUNDS = 25
"""So often timers may fire until a quiet world must be whole."""


class World:
    """One run."""

    def __init__(self, hold_bytes: int) -> None:
        self._hold_bytes = hold_bytes
        self._serial = 0
        self.clock = ModelClock()
        self.database = Database(self.clock)
        self.history = History(self.database, self.clock)
        self.redis = Redis(TAIL)
        self.backup: Database | None = None
        self.old_redis: dict[str, Any] | None = None
        self.nodes: list[ModelNode] = []
        self.bus = Bus(self.redis, self.nodes)
        self.workers = Workers(self.database, self.redis, self.bus, self.history)
        self.nodes += [self._node() for _ in range(2)]
        self.devices = [self._device(user, number) for number, user in enumerate(USERS)]

    def close(self) -> None:
        for node in self.nodes:
            node.die()

    # Nodes

    def kill_node(self, node: int) -> None:
        """`kill -9` of a node: sessions gone, acks that are not merged lost; another one takes its place."""
        dead = self.nodes[node]
        dead.die()
        self.nodes[node] = self._node()
        for device in self.devices:
            if device.node is dead:
                device.node = device.connection = device.wire = None
                device.cut(heard=False)
                device.refused()

    def merge_acks(self, node: int) -> None:
        self.nodes[node].receipts.flush()

    # Devices

    def away(self) -> list[int]:
        """The devices that are not connected."""
        return [number for number, device in enumerate(self.devices) if device.wire is None]

    def connect(self, device: int, node: int) -> None:
        """A device connects if it is not connected; a node that does not hear takes nobody."""
        one, to = self.devices[device], self.nodes[node]
        if one.wire is None and to.hears:
            self._serial += 1
            one.connect(to, Wire(self._serial))
        elif one.wire is None:
            one.refused()

    def wipe(self, device: int) -> None:
        """The device is thrown away; the user gets a new one."""
        self.devices[device].restart()
        self.devices[device] = self._device(self.devices[device].user, device)

    def jam(self, device: int, room: int) -> None:
        """The network takes so many bytes more and no others."""
        wire = self.devices[device].wire
        if wire is not None:
            wire.room = room

    def unjam(self, device: int) -> None:
        one = self.devices[device]
        if one.wire is not None and one.node is not None:
            one.node.unblock(one.wire)

    def lie(self, device: int, stream: str, at: int) -> None:
        """A device confirms what it may not have got: no more may count than it was sent."""
        one = self.devices[device]
        if one.connection is None or one.node is None or one.wire is None:
            return
        if one.connection.outbox is not None or not one.trusts_wire:
            return
        sent = one.wire.sent_up_to(stream, one.protocol.position.get(stream) or 0)
        epoch = one.connection.session.epoch
        self.history.confirm(epoch, one.user, stream, min(at, sent))
        one.node.hear(one.connection, json.dumps({"type": "ack", stream: at}))

    # Time and disasters

    def pass_time(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        for node in self.nodes:
            node.sweep()
        for device in self.devices:
            device.tick()

    def bump_epoch(self) -> None:
        """The epoch ends, the rows stay, and Redis forgets (workers/epoch.py)."""
        self.workers.new_epoch()
        self.redis.drop_streams()

    def back_up(self) -> None:
        self.backup = self.database.copy()

    def restore(self) -> None:
        """The database is restored from a backup as docs/operations.md says: all else is stopped, and Redis forgets."""
        if self.backup is None:
            return
        for node in range(len(self.nodes)):
            self.kill_node(node)
        self.redis.drop_streams()
        self.history.new_epoch(partial(self.database.restore, self.backup))
        self.workers.forget()

    def remember_redis(self) -> None:
        self.old_redis = self.redis.snapshot()

    def restart_redis(self, *, empty: bool) -> None:
        """Redis comes back as it was some time ago, or with nothing; every subscription was cut."""
        self.redis.restart()
        if empty:
            self.redis.forget_all()
        elif self.old_redis is not None:
            self.redis.turn_back(self.old_redis)
        for node in self.nodes:
            if node.hears:
                node.unsubscribe()
                node.subscribe()

    def forget(self, what: str, user: str) -> None:
        """Redis loses a key."""
        match what:
            case "tail":
                self.redis.tail_me[user].clear()
            case "tail of all":
                self.redis.tail_all.clear()
            case "record":
                self.redis.streams.pop(user, None)
            case "record and tail":
                self.redis.streams.pop(user, None)
                self.redis.tail_me[user].clear()
            case "app":
                self.redis.app.clear()
            case "lease":
                self.redis.leases.clear()

    def check_confirmed(self) -> None:
        """Neither Redis nor the database takes for confirmed what the user's devices have not."""
        for user in set(USERS):
            self.history.check_confirmed(user, self.redis.streams.get(user, {}))

    # The course of things

    def settle(self) -> None:
        """Let everything take its course that nothing holds up."""
        for _ in range(200):
            if not self._go_on():
                return
        raise AssertionError("the world does not come to rest")

    def calm(self) -> None:
        """Everything is healed and all timers fire: whoever follows has seen all of it, or was told."""
        self.workers.rest = self.bus.holds = False
        self.workers.dying = 0
        for node in self.nodes:
            node.link.slow = False
            node.link.let_all_through()
            if not node.hears:
                node.subscribe()
        for number, device in enumerate(self.devices):
            device.lags, device.moody, device.spoils = False, 0, None
            self.unjam(number)
            if not device.trusts_wire:
                device.cut(heard=False)
        while self.workers.unpublished:
            self.workers.publish(0, torn=False)
        self.settle()
        for number in range(ROUNDS):
            self._once_around(number)
            if self._whole():
                break
        self._check_whole()

    def _once_around(self, number: int) -> None:
        """Whoever is away comes back, gaps and deadlines run out, positions are compared."""
        for place, device in enumerate(self.devices):
            if device.wire is None:
                self.connect(place, (place + number) % len(self.nodes))
                self.settle()
        for node in self.nodes:
            node.check()
        self.settle()
        self.pass_time(0.3)
        self.settle()
        self.pass_time(5.1)
        self.settle()

    def _whole(self) -> bool:
        try:
            self._check_whole()
        except AssertionError:
            return False
        return True

    def _check_whole(self) -> None:
        for device in self.devices:
            assert device.status == "online", f"{device.name} is {device.status}"
            assert device.connection is not None
            assert device.connection.session.repair is None, f"{device.name} is still being repaired"
            device.ledger.check_whole()

    def _go_on(self) -> bool:
        """One round of everything; whether anything happened."""
        went_on = self._greenlets()
        while self.workers.jobs and not self.workers.rest:
            self.workers.work(0)
            went_on = True
        for number in [] if self.bus.holds else self.bus.waiting():
            self.bus.arrive_all(number)
            went_on = True
        for device in self.devices:
            went_on |= device.speak()
            if not device.lags:
                went_on |= device.read()
        return went_on

    def _greenlets(self) -> bool:
        """Let the nodes' greenlets run."""
        for _ in range(4):
            gevent.sleep(0)
        for node in self.nodes:
            if (error := node.failed()) is not None:
                raise AssertionError(f"a part of node {node.node} ended") from error
        went_on = False
        for node in self.nodes:
            if node.suspects:
                node.suspects = False
                node.check()
                went_on = True
        return went_on

    def _node(self) -> ModelNode:
        self._serial += 1
        return ModelNode(
            f"n{self._serial}",
            self.redis,
            self.clock,
            self.workers.enqueue,
            hold_bytes=self._hold_bytes,
            acked=self._acked,
        )

    def _device(self, user: str, number: int) -> Device:
        self._serial += 1
        name = f"{user}'s device {self._serial}"
        return Device(user, name, self.clock, Ledger(user, name, self.history))

    def _acked(self, peer: Peer, acked: say.Acked) -> None:
        """Nothing is taken for confirmed that the user's devices have not confirmed."""
        confirmed = partial(self.history.confirmed, peer.session.epoch, peer.user)
        assert acked.me <= confirmed("me"), f"{peer.user} is said to have confirmed me {acked.me}"
        assert acked.all <= confirmed("all"), f"{peer.user} is said to have confirmed all {acked.all}"
