"""The whole application on fakes: everything but Redis and the database is the real thing."""

from dataclasses import dataclass, field
from typing import Any

from falcon.testing import TestClient

from api.acceptance import Acceptance, Limits
from api.app import create_app
from api.audiences import Lookups, Names
from api.authentication import Authenticator
from api.deps import Deps
from api.identity import Identity
from api.intake import GroupLimits, Intake
from api.key_ring import KeyRing, StoredKey
from api.known_apps import KnownApps
from api.limits import Limiter
from shared.auth import api_keys, tokens
from shared.auth.principal import KEY_SCOPES
from shared.config import Settings, load
from shared.errors import NotFound
from shared.redis.revocations import Standing
from tests.unit.api.fakes import NOW, FakeClock, FakeJournal, FakeKeys, FakeLimits, FakeQueue, counting_random

KEY = api_keys.make(counting_random())
SECRETS = "k1:" + "s" * 32


@dataclass
class Recorder:
    """Stands for any use case: remembers its calls and answers what it is told to."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    answer: Any = None
    error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.calls.append((name, *args, *options.values()))
            if self.error is not None:
                raise self.error
            return self.answer

        return call


@dataclass
class FakeApp:
    """The application and what it stands on."""

    environ: dict[str, str] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    queue: FakeQueue = field(default_factory=FakeQueue)
    rows: FakeKeys = field(default_factory=FakeKeys)
    following: Recorder = field(default_factory=lambda: Recorder(error=NotFound()))
    dead_letters: Recorder = field(default_factory=Recorder)
    stories: Recorder = field(default_factory=Recorder)
    user_deliveries: Recorder = field(default_factory=Recorder)
    presences: Recorder = field(default_factory=Recorder)
    cancelling: Recorder = field(default_factory=Recorder)
    inboxes: Recorder = field(default_factory=Recorder)
    people: Recorder = field(default_factory=Recorder)
    audiences: Recorder = field(default_factory=Recorder)
    subscriptions: Recorder = field(default_factory=Recorder)
    segments: Recorder = field(default_factory=Recorder)
    known_segments: set[str] = field(default_factory=set)
    caps: Recorder = field(default_factory=Recorder)
    limits: FakeLimits = field(default_factory=FakeLimits)
    schedules: Recorder = field(default_factory=Recorder)
    keys: Recorder = field(default_factory=Recorder)
    accounts: Recorder = field(default_factory=Recorder)
    sessions: Recorder = field(default_factory=Recorder)
    tickets: Recorder = field(default_factory=Recorder)
    revoked: Standing | Exception = field(default_factory=Standing)
    apps: set[str] = field(default_factory=set)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings: Settings = load(
            {"BELLHOP_JWT_SECRETS": SECRETS, "BELLHOP_JWT_APPS": "main,shop", **self.environ}
        )
        self.give(KEY_SCOPES)
        self.client = TestClient(create_app(self._deps()))

    def give(self, scopes: Any, app: str = "main") -> None:
        """Let the key have these scopes."""
        self.rows.rows[KEY.id] = StoredKey(KEY.id, app, KEY.hash, tuple(scopes), None)

    def token(self, user: str = "ana", **options: Any) -> str:
        values = {"app": "main", "ttl": 60, "now": NOW, **options}
        return tokens.issue(self.settings, user=user, **values)

    def call(self, method: str, path: str, *, auth: str | None = KEY.secret, **options: Any) -> Any:
        headers = {**({"Authorization": f"Bearer {auth}"} if auth else {}), **options.pop("headers", {})}
        return self.client.simulate_request(method, path, headers=headers, **options)

    def post(self, path: str, json: Any, **options: Any) -> Any:
        return self.call("POST", path, json=json, **options)

    def standing(self, app: str, user: str, session: str | None) -> Standing:
        if isinstance(self.revoked, Exception):
            raise self.revoked
        return self.revoked

    def missing(self, app: str, names: Names) -> Names:
        """Those of these segments that the application is told nothing of."""
        return tuple(name for name in names if name not in self.known_segments)

    def _deps(self) -> Deps:
        ring = KeyRing(
            self.rows.load,
            note_use=lambda _: None,
            monotonic=self.clock.monotonic,
            now_ms=self.clock.now_ms,
        )
        intake = Intake(self.journal.accept, self.queue.enqueue, GroupLimits(timeout=0.2))
        limits = Limits(
            ttl_default=86_400,
            ttl_max=2_592_000,
            entry_max=262_144,
            batch_items=1000,
            send_ahead_max=31_622_400,
        )
        return Deps(
            settings=self.settings,
            clock=self.clock,
            random=counting_random(),
            write_access=self.lines.append,
            authenticator=Authenticator(
                self.settings, ring, now_ms=self.clock.now_ms, standing=self.standing
            ),
            limiter=Limiter(self.limits, self.settings),
            known_apps=KnownApps(self.apps.__contains__, known="main"),
            acceptance=Acceptance(
                intake,
                limits,
                lookups=Lookups(self.audiences.left_out, self.missing),
                clock=self.clock,
                random=counting_random(),
            ),
            audiences=self.audiences,
            following=self.following,
            stories=self.stories,
            user_deliveries=self.user_deliveries,
            presences=self.presences,
            dead_letters=self.dead_letters,
            cancelling=self.cancelling,
            inboxes=self.inboxes,
            people=self.people,
            subscriptions=self.subscriptions,
            segments=self.segments,
            caps=self.caps,
            schedules=self.schedules,
            keys=self.keys,
            identity=Identity(accounts=self.accounts, sessions=self.sessions, tickets=self.tickets),
            journal=self.journal,
            check_ready=self.journal.ping,
        )
