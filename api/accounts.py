"""Accounts: registered, signed in to, and their passwords changed.

Rule U. Whether a name is unknown, a password wrong or a user disabled, the answer is the same and so is the time that
it takes: argon2 has its turn in any case.
"""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from api.clients import Client
from api.hashing import Hashing
from api.limits import Limiter
from api.sessions import Grant, Sessions
from api.validation import invalid
from shared.auth import passwords
from shared.auth.principal import Principal
from shared.clock import Clock
from shared.config import Settings
from shared.db import Database
from shared.domain import words
from shared.errors import Conflict, Forbidden, NotFound, Unauthenticated
from shared.store import accounts as store
from shared.store import apps, revocations, sessions
from shared.store.accounts import AccountRow
from shared.store.revocations import Revocation

_REFUSED: Final = "Unknown username, or wrong password."
_MISTAKABLE: Final = "No spaces around it, nothing invisible, and no characters that stand for others."
_WRONG: Final = "The old password is wrong."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody signs in with."""

    app: str
    username: str
    password: str = field(repr=False)


class Accounts:
    """The accounts of all apps."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sessions: Sessions,
        *,
        hashing: Hashing,
        limiter: Limiter,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._limiter = limiter
        self._clock = clock

    def register(self, wanted: Credentials, *, known: bool) -> None:
        """Make an account; `known`: also under a name that somebody receives under, or that looks like another.

        Raises Conflict, InvalidRequest, OverLimit, NotFound for an unknown app.
        """
        self._check_app(wanted.app)
        if not known and not words.is_unmistakable(wanted.username):
            raise invalid("username", _MISTAKABLE)
        self._check_choice("password", wanted.password, wanted.username)
        self._limiter.attempt(wanted.app, wanted.username)
        hash, now_ms = self._hashing.hash(wanted.password), self._clock.now_ms()

        def add(session: Session) -> AccountRow | None:
            app = apps.get(session, wanted.app)
            if app is None:
                raise NotFound
            return store.add(session, app.id, wanted.username, hash, now_ms=now_ms, known=known)

        if self._database.run(add) is None:
            raise Conflict("This username is taken.")

    def sign_in(self, given: Credentials, client: Client) -> Grant:
        """Begin a session. Raises Unauthenticated, OverLimit, Unavailable."""
        self._check_app(given.app)
        self._limiter.attempt(given.app, given.username)
        account = self._find(given.app, given.username)
        good = self._hashing.matches(given.password, account.hash if account else None)
        if account is None or not good or account.disabled:
            raise Unauthenticated(_REFUSED)
        grant = self._sessions.begin(given.app, self._renewed(account, given.password), client)
        if grant is None:
            raise Unauthenticated(_REFUSED)
        return grant

    def change_password(self, principal: Principal, old: str, new: str) -> None:
        """Change one's own password, and end one's other sessions.

        Raises Forbidden, InvalidRequest, OverLimit, and RedisUnavailable: then it is changed and will be told.
        """
        app, user = principal.app, principal.user
        if user is None:
            raise Forbidden("Only a user's token can do that.")
        self._check_choice("new", new, user)
        self._limiter.attempt(app, user)
        account = self._find(app, user)
        if not self._hashing.matches(old, account.hash if account else None) or account is None:
            raise Forbidden(_WRONG)
        row, hash, now_ms = account, self._hashing.hash(new), self._clock.now_ms()

        def change(session: Session) -> list[Revocation] | None:
            if not store.confirm(session, row):
                return None
            store.change(session, row.user_id, old=row.hash, new=hash, now_ms=now_ms)
            over = sessions.end_all(session, row.user_id, now_ms=now_ms, but=principal.session)
            return revocations.add_ended(session, row.app_id, app, user, over, now_ms=now_ms)

        ended = self._database.run(change)
        if ended is None:
            raise Forbidden(_WRONG)
        self._sessions.tell(ended)

    def _find(self, app: str, username: str) -> AccountRow | None:
        with self._database.session() as session:
            return store.find(session, app, username)

    def _renewed(self, account: AccountRow, password: str) -> AccountRow:
        """The account with its hash under today's parameters, which only a sign-in can make."""
        if not self._hashing.is_old(account.hash):
            return account
        hash, now_ms = self._hashing.hash(password), self._clock.now_ms()
        done = self._database.run(
            lambda session: store.change(session, account.user_id, old=account.hash, new=hash, now_ms=now_ms)
        )
        return (
            AccountRow(account.user_id, account.app_id, account.user, hash, disabled=False)
            if done
            else account
        )

    def _check_app(self, app: str) -> None:
        if app not in self._settings.jwt_apps:
            raise invalid("app", "There is no such app.")

    def _check_choice(self, field: str, password: str, username: str) -> None:
        problem = passwords.problem(password, username=username, least=self._settings.password_min)
        if problem is not None:
            raise invalid(field, problem)
