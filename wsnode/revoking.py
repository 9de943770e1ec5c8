"""Connections end when what they signed in with is revoked: told by an envelope, or found out when they register.

Rule S. A revocation is written first and told then, a connection is in the hub first and looks then: so one of the two
sees the other. After a time of deafness, in which envelopes were lost, all connections are looked at again.
"""

from typing import Final

from shared import logs
from shared.protocol.close_codes import CloseCode
from shared.protocol.revoke import Revoke
from shared.redis.revocations import Revocations, Standing
from wsnode.hub import Hub
from wsnode.ports import Peer

REASON: Final = "signed out"
SLICE: Final = 500

log = logs.get(__name__)


class Revoking:
    """Ends connections of a hub."""

    def __init__(self, hub: Hub[Peer], revocations: Revocations) -> None:
        self._hub = hub
        self._revocations = revocations

    def take(self, found: Revoke) -> None:
        """What an envelope says; never blocks."""
        room = self._hub.known(found.app)
        ended = [peer for peer in room.of(found.user) if _meant(found, peer)] if room is not None else []
        for peer in ended:
            end(peer)
        if ended:
            log.info("connections_revoked", app=found.app, user=found.user, connections=len(ended))

    def check_all(self) -> None:
        """Look at everybody, after this node was deaf. Raises RedisUnavailable."""
        for room in self._hub.rooms():
            peers = list(room.connections.values())
            for start in range(0, len(peers), SLICE):
                some = peers[start : start + SLICE]
                asked = [(peer.user, peer.sign_in_session) for peer in some]
                found = self._revocations.standings(room.app, asked)
                for peer, (_, session), standing in zip(some, asked, found, strict=True):
                    if peer.open and is_against(standing, peer, session):
                        end(peer)


def end(peer: Peer) -> None:
    """Close a connection whose credential is no good any more; its client does not come back with it."""
    peer.leave(CloseCode.CREDENTIAL_INVALID, REASON)


def is_against(standing: Standing, peer: Peer, session: str | None) -> bool:
    """Whether what was found for a connection, when its session was `session`, ends it.

    If it goes on with another one since, that was looked up when its token was renewed.
    """
    return peer.sign_in_session == session and not standing.allows(peer.issued_at)


def _meant(found: Revoke, peer: Peer) -> bool:
    if found.sessions is not None:
        return peer.sign_in_session in found.sessions
    return found.before is None or peer.issued_at is None or peer.issued_at < found.before
