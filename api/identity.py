"""What signing in is made of; a part of api.deps.

Rule C.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from api.accounts import Accounts
from api.hashing import Hashing
from api.limits import Limiter
from api.sessions import Sessions
from api.ws_tickets import WsTickets
from shared.auth.passwords import Passwords
from shared.clock import Clock
from shared.config import Settings
from shared.db import Database
from shared.redis.revocations import Revocations
from shared.redis.successors import Successors
from shared.redis.tickets import Tickets
from shared.services.revoking import Revoking


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The use cases under /v1/auth."""

    accounts: Accounts
    sessions: Sessions
    tickets: WsTickets


class Kept(NamedTuple):
    """What signing in keeps in Redis; with a short deadline, because a row is locked while it is asked."""

    revocations: Revocations
    revoking: Revoking
    successors: Successors
    tickets: Tickets


def build(
    settings: Settings,
    database: Database,
    kept: Kept,
    limiter: Limiter,
    *,
    clock: Clock,
    random: Callable[[int], bytes],
) -> Identity:
    """Make them."""
    sessions = Sessions(settings, database, kept.revoking, kept.successors, clock=clock, random=random)
    passwords = Passwords(
        memory=settings.argon2_memory, time=settings.argon2_time, lanes=settings.argon2_lanes, random=random
    )
    hashing = Hashing(passwords, at_once=settings.hashes, waiting=settings.hashes_waiting)
    accounts = Accounts(settings, database, sessions, hashing=hashing, limiter=limiter, clock=clock)
    tickets = WsTickets(kept.tickets, life=settings.ticket_life, random=random)
    return Identity(accounts=accounts, sessions=sessions, tickets=tickets)
