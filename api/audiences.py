"""Whom a notification is for: what can be judged of it at once, and what only the database knows.

Rule U. `check` is on the path of every notification and asks nobody. The database is asked by a preview, and when a
notification is accepted in two cases: it names segments, which must exist; or it is for everyone less topics or
segments, because nodes know by name whom a notification to everyone leaves out.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from api.errors import translated
from api.schemas.audiences import EXCLUDE_MAX, SAMPLE_MAX, AudienceIn
from api.validation import invalid, unsupported
from shared.db import Database
from shared.errors import InvalidRequest, NotFound
from shared.store import apps, audiences, everyone, segments
from shared.store.audiences import Audience

_NOT_BOTH: Final = "Must be empty when the notification is for everyone."
Names = tuple[str, ...]
Document = dict[str, Any]


class Excluded(NamedTuple):
    """Who gets nothing: users by name, subscribers of topics, and who is in segments."""

    users: Names = ()
    topics: Names = ()
    segments: Names = ()


_NOBODY: Final = Excluded()


class Lookups(NamedTuple):
    """What is asked of the database when a notification is accepted. Both raise DatabaseUnavailable."""

    left_out: Callable[[str, Excluded], Names]
    """For an app: the names of all whom a notification to everyone leaves out. Raises InvalidRequest if they are too
    many."""
    missing: Callable[[str, Names], Names]
    """Those of these segments of an app that do not exist."""

    def cached(self) -> "Lookups":
        """For one request, which asks each question once."""
        return Lookups(functools.cache(self.left_out), functools.cache(self.missing))


def check(to: AudienceIn) -> None:
    """Refuse what names nobody or says two things (InvalidRequest), and what is not served yet (NotSupported)."""
    if to.get("conversation") is not None:
        raise unsupported("to.conversation")
    if not to.get("everyone"):
        if not to.get("users") and not to.get("topics") and not to.get("segments"):
            raise invalid("to", "Names nobody: give users, topics, segments or everyone.")
    elif to.get("users"):
        raise invalid("to.users", _NOT_BOTH)
    elif to.get("topics"):
        raise invalid("to.topics", _NOT_BOTH)
    elif to.get("segments"):
        raise invalid("to.segments", _NOT_BOTH)


def judged(app: str, to: AudienceIn, lookups: Lookups) -> Excluded:
    """Whom `to` leaves out, after all that can be said against it. Raises as `check`, `check_segments`, `less` do."""
    check(to)
    if "segments" in to or "segments" in to.get("exclude", ()):
        check_segments(app, to, lookups)
    if "exclude" not in to and "exclude_actor" not in to:
        return _NOBODY
    return less(app, to, lookups)


def less(app: str, to: AudienceIn, lookups: Lookups) -> Excluded:
    """Whom `to` leaves out; of one to everyone all of them by name. The one who did it comes on top of what
    may be excluded. Raises what the lookups do."""
    exclude = to.get("exclude", {})
    out = Excluded(
        tuple(exclude.get("users", ())), tuple(exclude.get("topics", ())), tuple(exclude.get("segments", ()))
    )
    if to.get("everyone") and (out.topics or out.segments):
        out = Excluded(lookups.left_out(app, out))
    actor = to.get("exclude_actor")
    return out if actor is None or actor in out.users else out._replace(users=(*out.users, actor))


def check_segments(app: str, to: AudienceIn, lookups: Lookups) -> None:
    """Refuse segments that do not exist, each by its place (InvalidRequest)."""
    lists = {
        "to.segments": to.get("segments", ()),
        "to.exclude.segments": to.get("exclude", {}).get("segments", ()),
    }
    named = tuple(dict.fromkeys(name for names in lists.values() for name in names))
    gone = frozenset(lookups.missing(app, named) if named else ())
    problems = [
        {"field": f"{place}[{number}]", "message": f"There is no segment {name}."}
        for place, names in lists.items()
        for number, name in enumerate(names)
        if name in gone
    ]
    if problems:
        raise InvalidRequest(f"{problems[0]['field']}: {problems[0]['message']}", detail=problems)


class Audiences:
    """The audiences of whoever asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def left_out(self, app: str, out: Excluded) -> Names:
        """Whom a notification to everyone leaves out, each once: the users, and who is subscribed to the topics or in
        the segments now.

        Raises InvalidRequest if these are too many, DatabaseUnavailable.
        """
        with translated(), self._database.session() as session:
            return _left_out(session, _app(session, app), out)

    def missing(self, app: str, names: Names) -> Names:
        """Those of these segments that do not exist. Raises DatabaseUnavailable."""
        with translated(), self._database.session() as session:
            return tuple(segments.missing(session, _app(session, app), names))

    def preview(self, app: str, to: AudienceIn) -> Document:
        """How many users `to` has just now, and some of them. Raises as `judged` does."""
        check(to)
        with self._database.session() as session:
            app_id = _app(session, app)
            lookups = Lookups(
                lambda _, out: _left_out(session, app_id, out),
                lambda _, names: tuple(segments.missing(session, app_id, names)),
            )
            out = judged(app, to, lookups)
            if to.get("everyone"):
                count = everyone.count(session, app_id, out.users)
                sample = everyone.sample(session, app_id, out.users, limit=SAMPLE_MAX)
            else:
                asked = Audience(
                    users=tuple(to.get("users", ())),
                    topics=tuple(to.get("topics", ())),
                    segments=tuple(to.get("segments", ())),
                    exclude=out.users,
                    exclude_topics=out.topics,
                    exclude_segments=out.segments,
                )
                count = audiences.count(session, app_id, asked)
                sample = audiences.sample(session, app_id, asked, limit=SAMPLE_MAX)
        return {"count": count, "sample": sample}


def _left_out(session: Session, app_id: int, out: Excluded) -> Names:
    found = Audience(topics=out.topics, segments=out.segments)
    # It returns one more than asked for, if there are more.
    more = audiences.named(session, app_id, found, limit=EXCLUDE_MAX) if out.topics or out.segments else []
    names = tuple(dict.fromkeys((*out.users, *more)))
    if len(names) > EXCLUDE_MAX:
        raise invalid("to.exclude", f"Leaves out more than {EXCLUDE_MAX} users.")
    return names


def _app(session: Session, name: str) -> int:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found.id
