"""From a request of a contract that was taken over to the notification of /v1 that it means.

Rule P. Fields that a contract does not know are passed over, as they were there. Raises InvalidRequest; each contract
tells it in its own way (api.compat.refusals).
"""

import re
from typing import Any, Final

from pydantic import TypeAdapter

from api.schemas.accounts import CredentialsIn
from api.schemas.common import USER_ID, USER_ID_SHAPE
from api.schemas.notifications import NOTIFICATION, NotificationIn
from api.validation import check, check_at, invalid
from shared.domain.words import EVENT_MAX
from shared.protocol.bare import wrapped

Body = dict[str, Any]
MESSAGE_EVENT: Final = "notification"
"""The event of what names none: contracts B and D."""

_ACCOUNT: Final = ("username", "password")
_CREDENTIALS: Final = TypeAdapter[CredentialsIn](CredentialsIn)
VISITOR: Final = "19"
"""Whom contract B signs in where nobody is named."""

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._:/-]")
_EXACT: Final = 2**53
"""Up to here a number of JavaScript is the number that was written."""


def of_a(body: Body) -> NotificationIn:
    """`{userId, eventType, data}`; what JavaScript takes for false is missing."""
    for field in ("userId", "eventType", "data"):
        # NaN is no JSON; an empty list or object is true there.
        if body.get(field) in (None, "", 0, False):
            raise invalid(field, "Missing.")
    return _notification(_user(body, "userId"), _event(body["eventType"]), wrapped(body["data"]))


def of_b(body: Body) -> NotificationIn:
    """`{userId, message}`."""
    return _message(body, "userId")


def of_d(body: Body) -> NotificationIn:
    """`{recipientId, message}`."""
    return _message(body, "recipientId")


def visitor(body: Body) -> str:
    """`{userId}`; without it the user whom contract B signs in."""
    return VISITOR if "userId" not in body else str(_user(body, "userId"))


def credentials(body: Body) -> CredentialsIn:
    """`{username, password}`."""
    found: CredentialsIn = check(_CREDENTIALS, {name: body[name] for name in _ACCOUNT if name in body})
    return found


def text(body: Body, field: str) -> str:
    """A text that is not empty."""
    found = body.get(field)
    if not isinstance(found, str) or not found:
        raise invalid(field, "Must be a text that is not empty.")
    return found


def _event(given: Any) -> Any:
    """Return a name of an event; its clients are never told it, so what cannot stand in one of ours becomes `_`."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = str(given)
    return _UNFIT.sub("_", given)[:EVENT_MAX] if isinstance(given, str) else given


def _message(body: Body, user: str) -> NotificationIn:
    message = text(body, "message")
    return _notification(_user(body, user), MESSAGE_EVENT, {"message": message})


def _notification(user: Any, event: Any, data: Any) -> NotificationIn:
    found: NotificationIn = check(NOTIFICATION, {"to": {"users": [user]}, "event": event, "data": data})
    return found


def _user(body: Body, field: str) -> Any:
    """Return a user id; of a number its text, as a token's `userId` is read."""
    value = body.get(field)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if type(value) is int:
        value = str(value)
    check_at(field, USER_ID, value, USER_ID_SHAPE)
    return value
