"""What a client asks to send: judged as the api judges it, by rights that a user can have, as a journal entry. Pure.

With `messages:write` a user sends to named users and says what, with `everyone:write` to everyone; what could touch
notifications of others (their keys), the order of queues, or topics needs `notifications:write`. What only the database
knows (segments, topics that are left out of everyone) is the api's business.
"""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from shared.domain import words
from shared.domain.notification import Priority
from shared.domain.topics import check_topic
from shared.errors import BodyTooLarge, Forbidden, InvalidRequest, NotSupported
from shared.protocol.journal import Entry

NAMED: Final = "messages:write"
EVERYONE: Final = "everyone:write"
ANYBODY: Final = "notifications:write"
USERS_MAX: Final = 100
"""Users that one frame names, and topics."""

EXCLUDE_MAX: Final = 1000
DEPTH_MAX: Final = 31
"""Levels of `data`; as deep as the HTTP interface takes it, where the body around it is one more."""

KEY_MAX: Final = 200
_TO: Final = frozenset({"users", "topics", "everyone", "exclude"})
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An even number of backslashes before it are texts of their own."""

_LATER: Final = ("send_at", "send_at_zone")


@dataclass(frozen=True, slots=True)
class Limits:
    """`ttl`s in seconds, `entry_max` in bytes."""

    ttl_default: int
    ttl_max: int
    entry_max: int


class Sender(NamedTuple):
    """Who sends, with what rights."""

    app: str
    user: str
    scopes: Set[str]


class Stamp(NamedTuple):
    """What is not the client's to say. `now_ms` is epoch milliseconds."""

    id: str
    request_id: str
    now_ms: int
    reply_to: tuple[str, str | int] | None


class _Audience(NamedTuple):
    users: tuple[str, ...]
    topics: tuple[str, ...]
    everyone: bool
    exclude: tuple[str, ...]
    exclude_topics: tuple[str, ...]


def entry(doc: Mapping[str, Any], sender: Sender, limits: Limits, stamp: Stamp) -> Entry:
    """The entry for a `send` frame. Raises Forbidden, InvalidRequest, NotSupported, BodyTooLarge."""
    if not sender.scopes & {NAMED, EVERYONE, ANYBODY}:
        raise Forbidden(f"Sending needs the scope {NAMED}, {EVERYONE} or {ANYBODY}.")
    to = _audience(doc.get("to"))
    _check_rights(doc, to, sender)
    for field in _LATER:
        if doc.get(field) is not None:
            raise NotSupported(f"{field}: What is sent later goes through the HTTP interface.")
    if not words.is_event(doc.get("event")):
        raise _invalid("event", "1 to 100 of A-Z a-z 0-9 . _ : / -")
    data_json = _data(doc, limits)
    ttl = _ttl(doc.get("ttl"), limits)
    return Entry(
        id=stamp.id,
        app=sender.app,
        accepted_at=stamp.now_ms,
        expires_at=stamp.now_ms + ttl * 1000,
        request_id=stamp.request_id,
        sender=f"user:{sender.user}",
        priority=_priority(doc.get("priority")),
        users=to.users,
        topics=to.topics,
        everyone=to.everyone,
        exclude=to.exclude,
        exclude_topics=to.exclude_topics,
        event=doc["event"],
        data_json=data_json.decode(),
        ttl=ttl,
        tags_json=_tags(doc.get("tags")),
        reply_to=stamp.reply_to,
        collapse_key=_label("collapse_key", doc),
        cancel_key=_label("cancel_key", doc),
        thread_key=_label("thread_key", doc),
    )


def key(doc: Mapping[str, Any]) -> str | None:
    """By what a repetition is known, if the client says it. Raises InvalidRequest."""
    found = doc.get("key")
    if found is not None and not words.is_label(found, KEY_MAX):
        raise _invalid("key", f"1 to {KEY_MAX} characters, no control characters.")
    return found


def _audience(to: Any) -> _Audience:
    if not isinstance(to, dict):
        raise _invalid("to", "Must be an object of users, topics or everyone.")
    for field in ("conversation", "segments"):
        if to.get(field):
            raise NotSupported(f"to.{field}: Not served over a socket by this version.")
    if unknown := sorted(to.keys() - _TO - {"conversation", "segments"}):
        raise _invalid(f"to.{unknown[0][:64]}", "There is no such field.")
    out = to.get("exclude") or {}
    if not isinstance(out, dict) or out.keys() - {"users", "topics"}:
        raise _invalid("to.exclude", "Must be an object of users or topics.")
    everyone = to.get("everyone", False)
    if not isinstance(everyone, bool):
        raise _invalid("to.everyone", "Must be true or false.")
    found = _Audience(
        users=_names("to.users", to.get("users"), words.is_user, USERS_MAX),
        topics=_names("to.topics", to.get("topics"), check_topic, USERS_MAX),
        everyone=everyone,
        exclude=_names("to.exclude.users", out.get("users"), words.is_user, EXCLUDE_MAX),
        exclude_topics=_names("to.exclude.topics", out.get("topics"), check_topic, USERS_MAX),
    )
    if everyone and (found.users or found.topics):
        raise _invalid("to", "Must name nobody else when the notification is for everyone.")
    if everyone and found.exclude_topics:
        raise NotSupported("to.exclude.topics: Less topics, everyone is not served over a socket.")
    if not everyone and not found.users and not found.topics:
        raise _invalid("to", "Names nobody: give users, topics or everyone.")
    return found


def _check_rights(doc: Mapping[str, Any], to: _Audience, sender: Sender) -> None:
    if ANYBODY in sender.scopes:
        return
    if to.topics or to.exclude_topics:
        raise Forbidden(f"Topics need the scope {ANYBODY}.")
    wanted = EVERYONE if to.everyone else NAMED
    if wanted not in sender.scopes:
        raise Forbidden(f"This audience needs the scope {wanted} or {ANYBODY}.")
    for field in ("collapse_key", "cancel_key"):
        if doc.get(field) is not None:
            raise Forbidden(f"{field} needs the scope {ANYBODY}.")
    if doc.get("priority") == Priority.CRITICAL:
        raise Forbidden(f"priority critical needs the scope {ANYBODY}.")


def _names(field: str, value: Any, good: Callable[[Any], bool], most: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _invalid(field, "Must be a list.")
    if len(value) > most:
        raise _invalid(field, f"More than {most}.")
    for place, one in enumerate(value):
        if not (isinstance(one, str) and good(one)):
            raise _invalid(f"{field}[{place}]", "Not a name that can be meant here.")
    return tuple(value)


def _data(doc: Mapping[str, Any], limits: Limits) -> bytes:
    data = doc.get("data", {})
    if not isinstance(data, dict):
        raise _invalid("data", "Must be an object.")
    if _is_deeper(data, DEPTH_MAX):
        raise _invalid("data", f"Nested deeper than {DEPTH_MAX} levels.")
    data_json = orjson.dumps(data)
    if _NUL.search(data_json):
        raise _invalid("data", "A text holds the character NUL.")
    if len(data_json) > limits.entry_max:
        raise BodyTooLarge(f"A notification may hold {limits.entry_max} bytes.")
    return data_json


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and lists stand in one another more than so often. Level by level: it may be very deep."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _ttl(value: Any, limits: Limits) -> int:
    if value is None:
        return limits.ttl_default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limits.ttl_max:
        raise _invalid("ttl", f"1 to {limits.ttl_max} seconds.")
    return value


def _priority(value: Any) -> str:
    if value is None:
        return Priority.NORMAL.value
    if value not in [one.value for one in Priority]:
        raise _invalid("priority", "critical, normal or bulk.")
    return str(value)


def _label(field: str, doc: Mapping[str, Any]) -> str | None:
    value = doc.get(field)
    if value is not None and not words.is_label(value):
        raise _invalid(field, f"1 to {words.LABEL_MAX} characters, no control characters.")
    return None if value is None else str(value)


def _tags(value: Any) -> str:
    if value is None or value == []:
        return "[]"
    if not isinstance(value, list) or len(value) > words.TAGS_MAX:
        raise _invalid("tags", f"A list of at most {words.TAGS_MAX}.")
    if not all(words.is_label(one, words.TAG_MAX) for one in value):
        raise _invalid("tags", f"Each is 1 to {words.TAG_MAX} characters, no control characters.")
    return orjson.dumps(value).decode()


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", detail=[{"field": field, "message": message}])
