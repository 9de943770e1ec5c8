"""The routes of accounts, sessions and tickets; a part of api.routes.

Rule T.
"""

from typing import Final

from api.routing import Limited, Operation, body
from api.schemas.accounts import (
    CredentialsIn,
    GrantOut,
    PasswordIn,
    RefreshIn,
    RegisteredOut,
    SessionOut,
    TicketOut,
)
from api.schemas.common import Listing
from api.schemas.users import UserOut
from shared.db import DatabaseUnavailable
from shared.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthenticated, Unavailable

AREA: Final = "Accounts"
"""These routes are not there where the setting `accounts` is off."""

OWN: Final = "inbox:read"
"""What every user's token may and no API key: to see to one's own sessions."""

_COOKIE: Final = {
    "Cookie": "The refresh token, where the body has none. It counts only with the `Origin` of a page of"
    " `BELLHOP_ORIGINS`, or with `Sec-Fetch-Site: same-origin`."
}
_AUTH: Final = (Unavailable, DatabaseUnavailable)

ACCOUNTS: Final = (
    Operation(
        method="POST",
        path="/v1/auth/register",
        resource="accounts",
        suffix="register",
        area=AREA,
        about="Make an account: open where `BELLHOP_REGISTRATION` is on, else with an API key that has `users:write`.",
        body=body(CredentialsIn),
        limited=Limited.SIGN_IN,
        answers={201: RegisteredOut},
        errors=(Unauthenticated, Forbidden, NotFound, Conflict, *_AUTH),
    ),
    Operation(
        method="POST",
        path="/v1/auth/login",
        resource="accounts",
        suffix="login",
        area=AREA,
        about="Sign in: an access token, and a refresh token that begins a session. Both come as cookies too.",
        body=body(CredentialsIn),
        limited=Limited.SIGN_IN,
        answers={200: GrantOut},
        secret=True,
        errors=(Unauthenticated, *_AUTH),
    ),
    Operation(
        method="POST",
        path="/v1/auth/refresh",
        resource="sessions",
        suffix="refresh",
        area=AREA,
        about="Change a refresh token for new tokens. Each is good once; a used one that comes again ends its session.",
        body=body(RefreshIn, required=False),
        headers=_COOKIE,
        limited=Limited.SIGN_IN,
        answers={200: GrantOut},
        secret=True,
        errors=(Unauthenticated, Forbidden, *_AUTH),
    ),
    Operation(
        method="POST",
        path="/v1/auth/logout",
        resource="sessions",
        suffix="logout",
        area=AREA,
        about="End a session: that of the refresh token, of the cookie, or of the access token that asks.",
        body=body(RefreshIn, required=False),
        headers=_COOKIE,
        limited=Limited.SIGN_IN,
        answers={204: None},
        errors=(Unauthenticated, Forbidden, *_AUTH),
    ),
    Operation(
        method="POST",
        path="/v1/auth/password",
        resource="accounts",
        suffix="password",
        area=AREA,
        about="Change one's own password; one's other sessions end.",
        scope=OWN,
        body=body(PasswordIn),
        answers={204: None},
        errors=_AUTH,
    ),
    Operation(
        method="GET",
        path="/v1/auth/sessions",
        resource="sessions",
        area=AREA,
        about="List one's own sessions, those used last first.",
        scope=OWN,
        answers={200: Listing[SessionOut]},
        errors=(DatabaseUnavailable,),
    ),
    Operation(
        method="DELETE",
        path="/v1/auth/sessions/{id}",
        resource="sessions",
        suffix="one",
        area=AREA,
        about="End one of one's own sessions, and its connections.",
        scope=OWN,
        answers={204: None},
        errors=(NotFound, *_AUTH),
    ),
    Operation(
        method="POST",
        path="/v1/auth/ws-ticket",
        resource="ws_tickets",
        area="Sign in",
        about="Get a ticket for one WebSocket handshake, for the page whose `Origin` asks.",
        scope=OWN,
        headers={"Origin": "Of the page; the handshake must come from the same."},
        answers={200: TicketOut},
        secret=True,
        errors=(Unavailable,),
    ),
)

DISABLING: Final = tuple(
    Operation(
        method="POST",
        path=f"/v1/users/{{user:user}}/{action}",
        resource="users",
        suffix=action,
        area="Users",
        about=about,
        scope="users:write",
        answers={200: UserOut},
        # What can be no user id is refused where a user may be made by it.
        errors=(NotFound, *((InvalidRequest,) if action == "disable" else ()), *_AUTH),
    )
    for action, about in (
        (
            "disable",
            "Let a user in no more, known or not: sessions, tokens of any issuer and connections end.",
        ),
        ("enable", "Let a user in again, with tokens issued from now on."),
    )
)
