"""API keys in use: read from the database at most once a second each, and never compared in the clear.

Rule U. A revocation is obeyed by other processes within that second and by this one at once. While the database is
away the keys that were good shortly before go on working: nothing can be revoked without the database either, and to
accept notifications through such a time is what the journal is for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import gevent

from shared import logs
from shared.auth import api_keys
from shared.auth.principal import Principal, key_principal
from shared.errors import Unauthenticated, Unavailable

log = logs.get(__name__)

FRESH_SECONDS: Final = 1.0
"""How long a key is taken as it was read."""

OVERLAP_SECONDS: Final = 60.0
"""A key read so long before the last answer of the database still counts when the database is away."""

OUTAGE_SECONDS: Final = 900.0
"""After so long without the database no key is taken any more."""

LOAD_SECONDS: Final = 2.0
"""How long a request waits for the database to tell about a key."""

KEYS_MAX: Final = 10_000
_SILENT: Final = "The database does not answer."
_REFUSED: Final = "This API key is unknown, revoked or expired."


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the database has it. `expires_at` is epoch milliseconds; a revoked key is not there."""

    id: str
    app: str
    hash: str
    scopes: tuple[str, ...]
    expires_at: int | None


Load = Callable[[str], StoredKey | None]
"""Reads a valid key by its id. Raises Unavailable while the database is away."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read about an id, also that there is no such key; `asked_at` is later where the reading failed."""

    stored: StoredKey | None
    principal: Principal | None
    read_at: float
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Reading:
    """A key on its way from the database."""

    begun_at: float
    task: gevent.Greenlet


def _principal(stored: StoredKey) -> Principal:
    return key_principal(app=stored.app, key=stored.id, scopes=stored.scopes, expires_at=stored.expires_at)


class KeyRing:
    """Tells whom a presented key stands for."""

    def __init__(
        self,
        load: Load,
        *,
        note_use: Callable[[str], None],
        monotonic: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._load = load
        self._note_use = note_use
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._known: dict[str, _Known] = {}
        self._reading: dict[str, _Reading] = {}
        self._answered_at = float("-inf")

    def identify(self, credential: str) -> Principal:
        """Return the caller. Raises Unauthenticated, or Unavailable if that cannot be known just now."""
        presented = api_keys.parse(credential)
        if presented is None:
            raise Unauthenticated("This is not an API key of ours.")
        known = self._known.get(presented.id)
        if known is None or self._monotonic() - known.asked_at > FRESH_SECONDS:
            known = self._read(presented.id, known)
        stored = known.stored
        # Compared also for an unknown id, so that the time taken does not tell which ids exist.
        same = api_keys.matches(presented.hash, stored.hash if stored else "")
        if stored is None or known.principal is None or not same:
            raise Unauthenticated(_REFUSED)
        if stored.expires_at is not None and stored.expires_at <= self._now_ms():
            raise Unauthenticated(_REFUSED)
        self._note_use(stored.id)
        return known.principal

    def forget(self, key: str) -> None:
        """Read it again at its next use, because it was changed here."""
        self._known.pop(key, None)

    def _read(self, key: str, before: _Known | None) -> _Known:
        """Read a key, once for all who ask at the same time, and fall back on what was known before."""
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = _Reading(self._monotonic(), gevent.spawn(self._try, key))
        # A reading is never cut off: in the middle of a statement the driver would not survive it. Whoever asks waits
        # for the rest of the deadline only, and a reading that is overdue is waited for by nobody.
        reading.task.join(max(reading.begun_at + LOAD_SECONDS - self._monotonic(), 0))
        outcome = reading.task.value if reading.task.ready() else Unavailable(_SILENT, retry_after=2)
        match outcome:
            case _Known():
                return outcome
            case Unavailable() if before is not None and self._outlasts(before):
                log.warning("key_taken_without_database", key_id=key)
                known = self._known[key] = replace(before, asked_at=self._monotonic())
                return known
            case Exception():
                raise outcome.with_traceback(None)
            case _:
                raise Unavailable(_SILENT, retry_after=2)

    def _try(self, key: str) -> _Known | Exception:
        """Read a key now; runs in a greenlet of its own, so the failure is its value."""
        try:
            stored = self._load(key)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait raise it
            return error
        finally:
            del self._reading[key]
        now = self._answered_at = self._monotonic()
        principal = _principal(stored) if stored else None
        if len(self._known) >= KEYS_MAX:
            del self._known[next(iter(self._known))]
        known = self._known[key] = _Known(stored, principal, read_at=now, asked_at=now)
        return known

    def _outlasts(self, known: _Known) -> bool:
        """Say whether a key may be taken as it was, the database being away."""
        if self._monotonic() - self._answered_at > OUTAGE_SECONDS:
            return False
        return known.read_at >= self._answered_at - OVERLAP_SECONDS


class KeyUse:
    """Notes when a key was last used: at most once a minute each, and never on the way of a request."""

    INTERVAL: Final = 60.0

    def __init__(self, write: Callable[[str], None], *, monotonic: Callable[[], float]) -> None:
        self._write = write
        self._monotonic = monotonic
        self._due: dict[str, float] = {}

    def note(self, key: str) -> None:
        """Remember that `key` was used now."""
        now = self._monotonic()
        if now < self._due.get(key, float("-inf")):
            return
        self._due[key] = now + self.INTERVAL
        gevent.spawn(self._write_quietly, key)

    def _write_quietly(self, key: str) -> None:
        try:
            self._write(key)
        except Exception as error:  # noqa: BLE001  # a missing note of use must not disturb anybody
            log.warning("key_use_not_noted", key_id=key, reason=str(error))
