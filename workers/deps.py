"""What jobs work with, opened once in each child of the pool.

A connection that crosses a fork is shared by two processes and its protocol breaks, so nothing is opened in the parent,
and what a parent did open is never used in a child.
"""

import os
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from shared.clock import Clock, SystemClock
from shared.config import Settings
from shared.db import Database
from shared.queue import JobQueue
from shared.redis.acks import Acks
from shared.redis.bus import Bus
from shared.redis.client import connect
from shared.redis.connection_log import ConnectionLog
from shared.redis.journal import Journal
from shared.redis.leases import Leases
from shared.redis.limits import Limits
from shared.redis.presence import Presence
from shared.redis.publish import Publisher, TailBounds
from shared.redis.retract import Retractor
from shared.redis.revocations import Revocations
from shared.redis.streams import Streams
from shared.redis.tombstones import Tombstones
from shared.services.cancellations import Cancellations
from shared.services.revoking import Revoking


class Chance(Protocol):
    """The randomness that jobs need: a number between 0 and 1."""

    def random(self) -> float:
        """The next number."""
        ...


@dataclass(frozen=True, slots=True)
class Deps:
    """The adapters of one process."""

    settings: Settings
    database: Database
    journal: Journal
    publisher: Publisher
    streams: Streams
    acks: Acks
    leases: Leases
    limits: Limits
    bus: Bus
    queue: JobQueue
    tombstones: Tombstones
    retractor: Retractor
    revocations: Revocations
    cancellations: Cancellations
    revoking: Revoking
    presence: Presence
    connection_log: ConnectionLog
    clock: Clock
    chance: Chance


def open_deps(settings: Settings) -> Deps:
    """Make the adapters; connections are opened when first used."""
    client = connect(settings.redis_url, name="bellhop-worker")
    bounds = TailBounds(settings.tail_frames, settings.tail_bytes, settings.stream_life)
    database, clock = Database(settings.database_url), SystemClock()
    retractor = Retractor(client, life=settings.stream_life)
    streams = Streams(client, life=settings.stream_life)
    revocations = Revocations(client, life=settings.revocation_life)
    return Deps(
        settings=settings,
        database=database,
        journal=Journal(client),
        publisher=Publisher(client, bounds),
        streams=streams,
        acks=Acks(client),
        limits=Limits(client),
        leases=Leases(client, life=settings.lease_life),
        bus=Bus(client),
        queue=JobQueue(settings.broker_url),
        tombstones=Tombstones(client),
        retractor=retractor,
        revocations=revocations,
        cancellations=Cancellations(database, retractor, clock),
        revoking=Revoking(settings, database, revocations, streams),
        presence=Presence(client, grace=settings.presence_grace, everybody=settings.presence_broadcast),
        connection_log=ConnectionLog(client),
        clock=clock,
        chance=SystemRandom(),
    )


class PerProcess:
    """Opens Deps in the process that asks, and again where a fork made it another one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = 0
        self._deps: Deps | None = None

    def get(self) -> Deps:
        """The adapters of this process."""
        if self._deps is None or self._pid != os.getpid():
            self._deps, self._pid = open_deps(self._settings), os.getpid()
        return self._deps
