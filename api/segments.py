"""Segments over HTTP: rules kept under a name, and whom a rule would hold.

Rule U.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from api import instants
from api.schemas.audiences import SAMPLE_MAX
from api.schemas.segments import SEGMENT_NAME
from api.validation import check_at, invalid
from shared.clock import Clock
from shared.db import Database
from shared.domain import paging
from shared.domain.segment_rules import BadRule, parse
from shared.domain.segments import Rule
from shared.domain.zones import is_zone
from shared.errors import NotFound
from shared.store import apps, segments
from shared.store.segments import SegmentRow

_PAGE: Final = 100
_KIND: Final = "segments"
Document = dict[str, Any]


class Segments:
    """The segments in the app of whoever asks."""

    def __init__(
        self, database: Database, clock: Clock, *, forget: Callable[[str, str], None] = lambda _, __: None
    ) -> None:
        """`forget` is told the app and the name of a segment that was deleted."""
        self._database = database
        self._clock = clock
        self._forget = forget

    def put(self, app: str, name: str, rule: Document) -> tuple[Document, bool]:
        """Make one or replace its rule; also whether it is new. Raises InvalidRequest, NotFound for an unknown app."""
        _read(rule)
        text, now_ms = orjson.dumps(rule).decode(), self._clock.now_ms()
        row, new = self._database.run(
            lambda session: segments.put(session, _app(session, app), name, text, now_ms=now_ms)
        )
        return _document(row), new

    def get(self, app: str, name: str) -> Document:
        """Return one. Raises NotFound."""
        with self._database.session() as session:
            found = segments.get(session, _app(session, app), name)
        if found is None:
            raise NotFound
        return _document(found)

    def remove(self, app: str, name: str) -> None:
        """Delete one. Raises NotFound."""
        gone = self._database.run(lambda session: segments.remove(session, _app(session, app), name))
        self._forget(app, name)
        if not gone:
            raise NotFound

    def page(self, app: str, query: Document) -> Document:
        """A page of them, by the text of their names."""
        after, limit = _after(query), query.get("limit", _PAGE)
        with self._database.session() as session:
            # One more than asked for, to know whether there is a next page.
            rows = segments.page(session, _app(session, app), after=after, limit=limit + 1)
        following = paging.encode(_KIND, rows[limit - 1].name) if len(rows) > limit else None
        return {"items": [_document(row) for row in rows[:limit]], "next": following}

    def preview(self, app: str, rule: Document) -> Document:
        """How many users a rule holds just now, and some of them. Raises as `put` does."""
        wanted = _read(rule)
        with self._database.session() as session:
            app_id = _app(session, app)
            count = segments.count(session, app_id, wanted)
            sample = segments.sample(session, app_id, wanted, limit=SAMPLE_MAX)
        return {"count": count, "sample": sample}


def _read(rule: Document) -> Rule:
    try:
        return parse(rule, is_zone=is_zone)
    except BadRule as error:
        raise invalid(f"rule.{error.place}" if error.place else "rule", error.message) from None


def _document(row: SegmentRow) -> Document:
    return {
        "name": row.name,
        "rule": orjson.Fragment(row.rule),
        "created_at": instants.write(row.created_at),
        "updated_at": instants.write(row.updated_at),
    }


def _after(query: Document) -> str | None:
    """The name after which the page begins."""
    if (cursor := query.get("cursor")) is None:
        return None
    try:
        (after,) = paging.decode(_KIND, cursor, (str,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    check_at("cursor", SEGMENT_NAME, after)
    return str(after)


def _app(session: Session, name: str) -> int:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found.id
