"""What the api is made of: every object with a life of its own, made once per process and handed over.

Rule C. Nothing here connects to anything: Redis and the database are reached when they are first needed, so the api
starts while they are away.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api import access_log, identity
from api.acceptance import Acceptance, Limits
from api.audiences import Audiences, Lookups
from api.authentication import Authenticator
from api.cancelling import Cancelling
from api.caps import Caps
from api.dead_letters import DeadLetters
from api.errors import translated
from api.following import Following
from api.identity import Identity, Kept
from api.inboxes import Inboxes
from api.intake import GroupLimits, Intake
from api.key_ring import KeyRing, KeyUse
from api.keys import Keys
from api.known_apps import KnownApps
from api.known_segments import KnownSegments
from api.limits import Limiter
from api.people import People
from api.presence import Presences
from api.schedules import Schedules
from api.segments import Segments
from api.stories import Stories
from api.subscriptions import Subscriptions
from api.tallies import Counting
from api.user_deliveries import UserDeliveries
from shared.auth.tokens import MAIN_APP
from shared.breaker import Breaker
from shared.clock import Clock, SystemClock
from shared.config import Settings
from shared.db import Database
from shared.errors import Unavailable
from shared.protocol.jobs import JobArgs, Queue
from shared.queue import JobQueue
from shared.redis import client
from shared.redis.bus import Bus
from shared.redis.journal import Accepted, Bounds, Journal, Submission
from shared.redis.limits import Limits as LimitKeeper
from shared.redis.presence import Presence
from shared.redis.retract import Retractor
from shared.redis.revocations import Revocations
from shared.redis.streams import Streams
from shared.redis.successors import Successors
from shared.redis.tallies import Tallies
from shared.redis.tickets import Tickets
from shared.redis.tombstones import Tombstones
from shared.services.cancellations import Cancellations
from shared.services.revoking import Revoking
from shared.store import apps

PROCESS = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the resources and the middleware are given."""

    settings: Settings
    clock: Clock
    random: Callable[[int], bytes]
    write_access: access_log.Write
    authenticator: Authenticator
    limiter: Limiter
    known_apps: KnownApps
    acceptance: Acceptance
    audiences: Audiences
    following: Following
    stories: Stories
    user_deliveries: UserDeliveries
    dead_letters: DeadLetters
    cancelling: Cancelling
    inboxes: Inboxes
    people: People
    presences: Presences
    subscriptions: Subscriptions
    segments: Segments
    caps: Caps
    schedules: Schedules
    keys: Keys
    identity: Identity
    journal: Journal
    check_ready: Callable[[], None]


def build(settings: Settings) -> Deps:
    """Make everything from the settings."""
    clock, random = SystemClock(), os.urandom
    database = Database(settings.database_url, breaker=Breaker("database", monotonic=clock.monotonic))
    fast, slow = _clients(settings)
    journal, limiter, kept = Journal(slow), _limiter(settings, fast), _kept(settings, database, fast)
    queue, bounds, audiences = JobQueue(settings.broker_url), _bounds(settings), Audiences(database)
    known_segments = KnownSegments(audiences.missing, monotonic=clock.monotonic)
    lookups = Lookups(audiences.left_out, known_segments.missing)
    streams, counting = Streams(slow, life=settings.stream_life), Counting(Tallies(slow), clock)
    tombstones = Tombstones(slow)
    cancellations = Cancellations(database, Retractor(slow, life=settings.stream_life), clock)
    ring = _key_ring(Keys(database, clock, random=random), clock)
    acceptance = _acceptance(settings, Journal(fast), queue, clock, lookups)
    return Deps(
        settings=settings,
        clock=clock,
        random=random,
        write_access=access_log.access_log(settings, process=PROCESS, now_ms=clock.now_ms),
        authenticator=Authenticator(settings, ring, now_ms=clock.now_ms, standing=kept.revocations.standing),
        limiter=limiter,
        known_apps=KnownApps(_exists(database), known=MAIN_APP),
        acceptance=acceptance,
        audiences=audiences,
        following=Following(database, journal, counting, tombstones),
        stories=Stories(database, journal, counting),
        user_deliveries=UserDeliveries(database, clock),
        dead_letters=DeadLetters(database, journal, _enqueue(queue), clock=clock, bounds=bounds),
        cancelling=Cancelling(cancellations, journal, tombstones, _enqueue(queue), clock=clock),
        inboxes=Inboxes(database, streams, Bus(slow), clock),
        people=People(database, kept.revoking, clock),
        presences=Presences(database, Presence(slow, grace=settings.presence_grace), clock),
        subscriptions=Subscriptions(database, clock),
        segments=Segments(database, clock, forget=known_segments.forget),
        caps=Caps(database),
        schedules=Schedules(database, clock, random=random, judge=acceptance.entry),
        keys=Keys(database, clock, random=random, forget=ring.forget),
        identity=identity.build(settings, database, kept, limiter, clock=clock, random=random),
        journal=journal,
        check_ready=_ready(lambda: client.check(fast), Journal(fast), bounds),
    )


def _clients(settings: Settings) -> tuple[client.Client, client.Client]:
    """One whose connections have the deadline of an acceptance, and one for all that may take longer."""
    fast = client.connect(settings.redis_url, timeout=settings.accept_timeout, name="bellhop-api-intake")
    return fast, client.connect(settings.redis_url, name="bellhop-api")


def _limiter(settings: Settings, fast: client.Client) -> Limiter:
    return Limiter(LimitKeeper(fast), settings)


def _kept(settings: Settings, database: Database, fast: client.Client) -> Kept:
    revocations = Revocations(fast, life=settings.revocation_life)
    streams = Streams(fast, life=settings.stream_life)
    revoking = Revoking(settings, database, revocations, streams)
    return Kept(revocations, revoking, Successors(fast), Tickets(fast))


def _key_ring(keys: Keys, clock: Clock) -> KeyRing:
    note_use = KeyUse(keys.note_use, monotonic=clock.monotonic).note
    return KeyRing(keys.load, note_use=note_use, monotonic=clock.monotonic, now_ms=clock.now_ms)


def _acceptance(
    settings: Settings, journal: Journal, queue: JobQueue, clock: Clock, lookups: Lookups
) -> Acceptance:
    bounds = _bounds(settings)

    def commit(submissions: Sequence[Submission]) -> list[Accepted]:
        return journal.accept(submissions, now_ms=clock.now_ms(), bounds=bounds)

    groups = GroupLimits(
        members=settings.group_members, bytes=settings.group_bytes, timeout=settings.accept_timeout
    )
    limits = Limits(
        ttl_default=settings.ttl_default,
        ttl_max=settings.ttl_max,
        entry_max=settings.body_max,
        batch_items=settings.batch_items,
        send_ahead_max=settings.send_ahead_max,
    )
    return Acceptance(
        Intake(commit, _enqueue(queue), groups), limits, lookups=lookups, clock=clock, random=os.urandom
    )


def _bounds(settings: Settings) -> Bounds:
    return Bounds(settings.intake_max, settings.intake_max_bytes, settings.idempotency_life)


def _ready(check_redis: Callable[[], None], journal: Journal, bounds: Bounds) -> Callable[[], None]:
    def check() -> None:
        check_redis()
        entries, size = journal.depth()
        if entries >= bounds.entries or size >= bounds.bytes:
            raise Unavailable(
                f"The journal is full: {entries} entries, {size} bytes. Workers do not keep up."
            )

    return check


def _enqueue(queue: JobQueue) -> Callable[[JobArgs, Queue], None]:
    def enqueue(job: JobArgs, to: Queue) -> None:
        queue.enqueue(job, queue=to)

    return enqueue


def _exists(database: Database) -> Callable[[str], bool]:
    def exists(app: str) -> bool:
        with translated(), database.session() as session:
            return apps.get(session, app) is not None

    return exists
