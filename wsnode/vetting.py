"""Whose a credential is: tokens, one-time tickets, and renewed tokens of connections that are open.

Rule S. A handshake runs in a greenlet of its own and may wait; first messages come in callbacks of the event loop and
may not. What they would wait for (keys of another issuer that are not here yet) is waited for in a greenlet, and so is
Redis's word on a token that renews a connection; how many wait at once is bounded.
"""

from collections.abc import Callable
from typing import Final

import gevent

from shared import logs
from shared.auth.principal import Principal
from shared.auth.signatures import KeyUnknown
from shared.auth.tokens import TokenInvalid
from shared.clock import Clock
from shared.errors import AppError, Forbidden, Internal, Unavailable
from shared.redis.revocations import Revocations
from shared.redis.tickets import Tickets
from shared.verifier import Verifier
from wsnode.ports import Peer, Then, Verdict
from wsnode.revoking import end
from wsnode.ways import Credential, principal_of

WAITING_MAX: Final = 500
"""Credentials that may be looked into at once; whoever comes then is told to come back."""

RETRY_AFTER: Final = 2.0

log = logs.get(__name__)


class Vetting:
    """Asks the verifier of tokens, Tickets and Revocations."""

    def __init__(
        self,
        verifier: Verifier,
        clock: Clock,
        tickets: Tickets,
        revocations: Revocations,
        *,
        room: Callable[[Principal], None],
    ) -> None:
        """`room` says whether the user may have one more connection here. Raises TooManyRequests."""
        self._room = room
        self._verifier = verifier
        self._clock = clock
        self._tickets = tickets
        self._revocations = revocations
        self._waiting = 0
        self._renewing: set[Peer] = set()

    def identify(self, credential: Credential, origin: str | None) -> Principal:
        """Whose a handshake's credential is; `origin` is its page's. May wait. Raises an AppError."""
        if credential.ticket is None:
            return self.token(credential.token or "")
        ticket = self._tickets.take(credential.ticket)
        return self._entering(principal_of(ticket, origin=origin, now=self._clock.now_ms()))

    def token(self, token: str) -> Principal:
        """Whom a token lets in; may wait. Raises an AppError."""
        return self._entering(self._verifier.check(token))

    def still(self, found: Principal) -> Verdict:
        """Whether whom a handshake's credential named gets in now: others of theirs may have come meanwhile."""
        try:
            return self._entering(found)
        except AppError as error:
            return error

    def soon(self, token: str, then: Then) -> None:
        """Tell `then` whom a token lets in or why nobody, at once where that is known here. Never blocks."""
        self._soon(token, self._entering, then)

    def redeem(self, ticket: str, origin: str | None, then: Then) -> None:
        """Tell `then` whom a ticket lets in or why nobody; Redis is asked in a greenlet. Never blocks."""
        if self._waiting >= WAITING_MAX:
            then(Unavailable("Too many tickets are being looked into.", retry_after=RETRY_AFTER))
            return
        self._waiting += 1
        gevent.spawn(self._redeem, ticket, origin, then)

    def _redeem(self, ticket: str, origin: str | None, then: Then) -> None:
        try:
            found: Verdict = self.identify(Credential("ticket", ticket=ticket), origin)
        except AppError as error:
            found = error
        except Exception:
            log.exception("credential_failed")  # whoever waits must hear something
            found = Internal()
        finally:
            self._waiting -= 1
        then(found)

    def same(self, peer: Peer, token: str, then: Then) -> None:
        """The same for a token that has to name the user of a connection, as one that comes with a message."""
        self._soon(token, lambda found: _same(peer, found), then)

    def renew(self, peer: Peer, token: str, then: Then) -> None:
        """The same for a token that a connection goes on with, which must not have been revoked. Never blocks.

        If it is good the connection's session and issue time are the new ones when `then` is told. One at a time of a
        connection: of two at once it would go on with the session of one and the time of the other.
        """
        if self._waiting >= WAITING_MAX or peer in self._renewing:
            then(Unavailable("Too many tokens are being looked into.", retry_after=RETRY_AFTER))
            return
        self._waiting += 1
        self._renewing.add(peer)
        gevent.spawn(self._renew, peer, token, then)

    def _renew(self, peer: Peer, token: str, then: Then) -> None:
        try:
            found: Verdict = self._renewed(peer, token)
        except AppError as error:
            found = error
        except Exception:
            log.exception("credential_failed")  # whoever waits must hear something
            found = Internal()
        finally:
            self._waiting -= 1
            self._renewing.discard(peer)
        then(found)

    def _renewed(self, peer: Peer, token: str) -> Principal:
        found = _same(peer, self._verifier.check(token))
        # Until it is known to be good the connection is found by what it has: that may be revoked just now.
        self._unrevoked(found)
        peer.sign_in_session, peer.issued_at = found.session, found.issued_at
        try:
            # Again: what was revoked before the connection was known by it was told to nobody.
            self._unrevoked(found)
        except TokenInvalid:
            end(peer)
            raise
        return found

    def _unrevoked(self, found: Principal) -> None:
        standing = self._revocations.standing(found.app, found.user or "", found.session)
        if not standing.allows(found.issued_at):
            raise TokenInvalid("This token was revoked.")

    def _soon(self, token: str, judge: Callable[[Principal], Principal], then: Then) -> None:
        """Answer at once what can be; wait in a greenlet for keys that may be on their way."""
        try:
            found: Verdict = judge(self._verifier.at_once(token))
        except KeyUnknown:
            if self._verifier.may_know_more and self._waiting < WAITING_MAX:
                self._waiting += 1
                gevent.spawn(self._later, token, judge, then)
                return
            found = self._verifier.unknown()
        except AppError as error:
            found = error
        then(found)

    def _later(self, token: str, judge: Callable[[Principal], Principal], then: Then) -> None:
        try:
            found: Verdict = judge(self._verifier.check(token))
        except AppError as error:
            found = error
        except Exception:
            log.exception("credential_failed")  # whoever waits must hear something
            found = Internal()
        finally:
            self._waiting -= 1
        then(found)

    def _entering(self, principal: Principal) -> Principal:
        if principal.user is None:
            raise Forbidden("Only a user can connect.")
        self._room(principal)
        return principal


def _same(peer: Peer, principal: Principal) -> Principal:
    if (principal.app, principal.user) != (peer.app, peer.user):
        raise Forbidden("This token names somebody else.")
    return principal
