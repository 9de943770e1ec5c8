"""Sessions: begun by a sign-in, kept up by refresh tokens, listed and ended.

Rule U. The database is written first and the nodes are told then: at once or, by shared.services.revoking, when Redis
is back. What a refresh gives is known to Redis before it is committed: who waits for the row finds it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from api import instants
from api.clients import Client
from shared import logs
from shared.auth import secrets, tokens
from shared.auth.principal import Principal
from shared.clock import Clock
from shared.config import Settings
from shared.db import Database
from shared.domain.refreshing import Meaning
from shared.errors import Forbidden, NotFound, Unauthenticated
from shared.ids import is_uuid7, uuid7
from shared.redis.successors import Successors
from shared.services.revoking import Revocation, Revoking
from shared.store import accounts, apps, revocations, users
from shared.store import sessions as store
from shared.store.accounts import AccountRow
from shared.store.sessions import Begun, Family, Refreshed

log = logs.get(__name__)

_UUID_NOISE: Final = 10
_DISABLED: Final = "This user is disabled."
_OVER: Final = "This refresh token is unknown, used or over; sign in again."
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in or a refresh gives. `expires_in` is of the access token, `refresh_in` of the other, in seconds."""

    user: str
    expires_in: int
    refresh_in: int
    access: str = field(repr=False)
    refresh: str = field(repr=False)

    def document(self) -> Document:
        """The body of the answer."""
        return {
            "user": self.user,
            "access": self.access,
            "refresh": self.refresh,
            "expires_in": self.expires_in,
        }


class Sessions:
    """The sessions of accounts."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        revoking: Revoking,
        successors: Successors,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._database = database
        self._revoking = revoking
        self._successors = successors
        self._clock = clock
        self._random = random
        self._idle_ms = settings.refresh_idle * 1000

    def begin(self, app: str, account: AccountRow, client: Client) -> Grant | None:
        """Begin a session; None if the account has changed since it was read."""

        def find(session: Session) -> tuple[int, int] | None:
            return (account.app_id, account.user_id) if accounts.confirm(session, account) else None

        return self._begin(app, account.user, client, find)

    def visit(self, app: str, user: str, client: Client) -> Grant:
        """Begin a session of a user, known or not, without a password: for development on this machine.

        Raises Unauthenticated for who is disabled.
        """
        now_ms = self._clock.now_ms()

        def find(session: Session) -> tuple[int, int] | None:
            app_id = apps.require(session, app).id
            user_id = accounts.admit(session, app_id, user, now_ms=now_ms)
            return None if user_id is None else (app_id, user_id)

        grant = self._begin(app, user, client, find)
        if grant is None:
            raise Unauthenticated(_DISABLED)
        return grant

    def refresh(self, presented: str, client: Client) -> Grant:
        """Use a refresh token up. Raises Unauthenticated, and ends its session if it was used before."""
        now_ms = self._clock.now_ms()
        token, successor = secrets.digest(presented), secrets.make(secrets.REFRESH, self._random)
        sealed = secrets.seal(successor, presented, self._random)

        def turn(session: Session) -> tuple[Refreshed, list[Revocation]]:
            found = store.refresh(
                session,
                token,
                secrets.digest(successor),
                client=client.print,
                now_ms=now_ms,
                idle_ms=self._idle_ms,
            )
            if found.meaning is Meaning.ROTATE:
                self._successors.put(token, sealed)
            stolen = found.family if found.meaning is Meaning.STOLEN else None
            return found, [] if stolen is None else _noted(session, stolen, now_ms)

        found, ended = self._database.run(turn)
        match found:
            case Refreshed(Meaning.ROTATE, Family() as family):
                return self._grant(family, successor, now_ms)
            case Refreshed(Meaning.REPEAT, Family() as family):
                kept = self._successors.get(token)
                same = secrets.unseal(kept, presented) if kept else None
                if same is not None:
                    return self._grant(family, same, now_ms)
            case Refreshed(Meaning.STOLEN, Family() as family):
                log.warning("refresh_token_reused", app=family.app, session=family.id)
        self._revoking.tell(ended)
        raise Unauthenticated(_OVER)

    def tell(self, ended: Sequence[Revocation]) -> None:
        """Let everybody know that these sessions have ended in the database.

        Raises RedisUnavailable: then they have ended, and it is told when Redis is back.
        """
        self._revoking.tell(ended)

    def end_by(self, presented: str) -> None:
        """End the session of a refresh token, used or not; nothing if it is unknown. Raises as `tell`."""
        with self._database.session() as session:
            family = store.family_of(session, secrets.digest(presented))
        if family is not None:
            self._end(family.app, family.user, family.id)

    def end_own(self, principal: Principal) -> None:
        """End the session that a token belongs to. Raises Forbidden if it belongs to none that was begun here."""
        app, user, session = principal.app, principal.user, principal.session
        if user is None or session is None or not self._end(app, user, session):
            raise Forbidden("This credential belongs to no session that was begun here.")

    def end(self, principal: Principal, id: str) -> None:
        """End one of the sessions of whoever asks. Raises NotFound."""
        if principal.user is None or not self._end(principal.app, principal.user, id):
            raise NotFound

    def _begin(
        self, app: str, user: str, client: Client, find: Callable[[Session], tuple[int, int] | None]
    ) -> Grant | None:
        """Begin a session of whom `find` finds in the transaction, by app and user id; None for nobody."""
        now_ms, refresh = self._clock.now_ms(), secrets.make(secrets.REFRESH, self._random)
        id, expires_at = uuid7(now_ms, self._random(_UUID_NOISE)), now_ms + self._settings.refresh_life * 1000

        def begin(session: Session) -> tuple[int, list[Revocation]] | None:
            found = find(session)
            if found is None:
                return None
            begun = Begun(
                id=id,
                app_id=found[0],
                user_id=found[1],
                agent=client.agent,
                client=client.print,
                token=secrets.digest(refresh),
                at=now_ms,
                expires_at=expires_at,
            )
            over = store.begin(session, begun, idle_ms=self._idle_ms)
            noted = revocations.add_ended(session, found[0], app, user, over, now_ms=now_ms)
            return accounts.decided(session, found[1]), noted

        begun = self._database.run(begin)
        if begun is None:
            return None
        since, over = begun
        self._revoking.tell_soon(over)
        return self._grant(Family(id, app, user, expires_at, since), refresh, now_ms)

    def list_of(self, principal: Principal) -> Document:
        """List the sessions of whoever asks, those used last first."""
        now_ms = self._clock.now_ms()
        with self._database.session() as session:
            user_id = _user_id(session, principal.app, principal.user)
            rows = (
                []
                if user_id is None
                else store.list_of(session, user_id, now_ms=now_ms, idle_ms=self._idle_ms)
            )
        items = [
            {
                "id": row.id,
                "agent": row.agent,
                "current": row.id == principal.session,
                "created_at": instants.write(row.created_at),
                "last_used_at": instants.write(row.last_used_at),
                "expires_at": instants.write(row.expires_at),
            }
            for row in rows[: store.SESSIONS_MAX]
        ]
        return {"items": items, "next": None}

    def _end(self, app: str, user: str, id: str) -> bool:
        """End a session of this user; False if it is no session of theirs."""
        if not is_uuid7(id):
            return False
        now_ms = self._clock.now_ms()

        def end(session: Session) -> list[Revocation]:
            found = apps.get(session, app)
            row = users.get(session, found.id, user) if found else None
            if found is None or row is None:
                return []
            ended = store.end(session, row.id, [id], now_ms=now_ms)
            return revocations.add_ended(session, found.id, app, user, ended, now_ms=now_ms)

        ended = self._database.run(end)
        self._revoking.tell(ended)
        return bool(ended)

    def _grant(self, family: Family, refresh: str, now_ms: int) -> Grant:
        settings, left = self._settings, max(1, (family.expires_at - now_ms) // 1000)
        life = min(settings.access_life, left)
        # Another clock may have decided something about the user in a future of this one: this token is newer.
        now = max(now_ms, family.since)
        access = tokens.issue(
            settings, user=family.user, app=family.app, ttl=life, now=now, session=family.id
        )
        return Grant(family.user, life, min(settings.refresh_idle, left), access, refresh)


def _noted(session: Session, family: Family, now_ms: int) -> list[Revocation]:
    app_id = apps.require(session, family.app).id
    return revocations.add_ended(session, app_id, family.app, family.user, [family.id], now_ms=now_ms)


def _user_id(session: Session, app: str, user: str | None) -> int | None:
    found = apps.get(session, app)
    row = users.get(session, found.id, user) if found and user is not None else None
    return row.id if row else None
