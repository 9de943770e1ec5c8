"""Whom a notification is for: what can be judged of it at once, and what only the database knows.

Rule U. `check` is on the path of every notification and asks nobody. The database is asked by a preview, and when a
notification is accepted for one audience only: everyone less the subscribers of topics, because nodes know by name
whom a notification to everyone leaves out.
"""

from typing import Any, Final

from sqlalchemy.orm import Session

from api.errors import translated
from api.schemas.audiences import EXCLUDE_MAX, SAMPLE_MAX, AudienceIn, ExcludeIn
from api.validation import invalid, unsupported
from shared.db import Database
from shared.errors import NotFound
from shared.store import apps, audiences, everyone
from shared.store.audiences import Audience

_NOT_BOTH: Final = "Must be empty when the notification is for everyone."
Names = tuple[str, ...]
Document = dict[str, Any]


def check(to: AudienceIn) -> None:
    """Refuse what names nobody or says two things (InvalidRequest), and what is not served yet (NotSupported)."""
    if to.get("segments"):
        raise unsupported("to.segments")
    if to.get("conversation") is not None:
        raise unsupported("to.conversation")
    if not to.get("everyone"):
        if not to.get("users") and not to.get("topics"):
            raise invalid("to", "Names nobody: give users, topics or everyone.")
    elif to.get("users"):
        raise invalid("to.users", _NOT_BOTH)
    elif to.get("topics"):
        raise invalid("to.topics", _NOT_BOTH)


def excluded(exclude: ExcludeIn) -> tuple[Names, Names]:
    """The users and the topics that are left out."""
    return tuple(exclude.get("users", ())), tuple(exclude.get("topics", ()))


class Audiences:
    """The audiences of whoever asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def left_out(self, app: str, users: Names, topics: Names) -> Names:
        """Whom a notification to everyone leaves out, each once: `users`, and who is subscribed to `topics` now.

        Raises InvalidRequest if these are too many, DatabaseUnavailable.
        """
        with translated(), self._database.session() as session:
            return _left_out(session, _app(session, app), users, topics)

    def preview(self, app: str, to: AudienceIn) -> Document:
        """How many users `to` has just now, and some of them. Raises as `check` and `left_out` do."""
        check(to)
        out, out_topics = excluded(to.get("exclude", {}))
        with self._database.session() as session:
            app_id = _app(session, app)
            if to.get("everyone"):
                names = _left_out(session, app_id, out, out_topics)
                count = everyone.count(session, app_id, names)
                sample = everyone.sample(session, app_id, names, limit=SAMPLE_MAX)
            else:
                asked = Audience(
                    users=tuple(to.get("users", ())),
                    topics=tuple(to.get("topics", ())),
                    exclude=out,
                    exclude_topics=out_topics,
                )
                count = audiences.count(session, app_id, asked)
                sample = audiences.sample(session, app_id, asked, limit=SAMPLE_MAX)
        return {"count": count, "sample": sample}


def _left_out(session: Session, app_id: int, users: Names, topics: Names) -> Names:
    # It returns one more than asked for, if there are more.
    subscribed = audiences.named(session, app_id, topics, limit=EXCLUDE_MAX) if topics else []
    names = tuple(dict.fromkeys((*users, *subscribed)))
    if len(names) > EXCLUDE_MAX:
        raise invalid("to.exclude", f"Leaves out more than {EXCLUDE_MAX} users.")
    return names


def _app(session: Session, name: str) -> int:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found.id
