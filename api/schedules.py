"""Recurring schedules over HTTP: made, changed, paused, run, looked at.

Rule U. What one sends is judged when it is saved, as if it was sent then; a worker fills in time and id for each run.
A schedule that is changed is locked, so that it does not fire at the same time.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from sqlalchemy.orm import Session

from api import schedule_documents as documents
from api import schedule_times as times
from api.acceptance import Origin
from api.schemas.notifications import ContentIn, NotificationIn
from api.schemas.schedules import NEXT
from api.validation import invalid
from shared.clock import Clock, to_datetime, to_ms
from shared.db import Database
from shared.domain import paging
from shared.domain.schedules import next_after
from shared.errors import AppError, Conflict, IdempotencyMismatch, NotFound
from shared.ids import is_uuid7, uuid7
from shared.protocol.firing import template
from shared.protocol.journal import Entry
from shared.store import apps, schedule_runs
from shared.store import schedules as store
from shared.store.schedules import ScheduleRow

SCHEDULES_MAX: Final = 1000
"""Of one app."""
_PAGE: Final = 50
_RUNS: Final = 100
_NOISE: Final = 10
_LIST: Final = "schedules"
_RUN_LIST: Final = "runs"
_PAUSED: Final = "It is paused: there is no next one."
_OVER: Final = "It is over: there is no next one."
Document = dict[str, Any]
Judge = Callable[[NotificationIn, Origin, str], Entry]
"""The journal entry of a notification, or the error that would refuse it."""


class Schedules:
    """The schedules in the app of whoever asks. Each method raises NotFound for what that app does not have."""

    def __init__(
        self, database: Database, clock: Clock, *, random: Callable[[int], bytes], judge: Judge
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._judge = judge

    def make(self, asked: Document, origin: Origin, key: str | None) -> tuple[Document, bool]:
        """Make one; also whether the request with this key has made it before.

        Raises InvalidRequest, Conflict for one too many, IdempotencyMismatch.
        """
        now_ms = self._clock.now_ms()
        id = self._new_id(now_ms)
        columns, _, next_ms = times.read(asked, None, now_ms=now_ms)
        values = {
            "id": id,
            "name": asked.get("name"),
            "catch_up": asked.get("catch_up", "once"),
            **columns,
            **self._content(asked["notification"], origin, id),
            "sender": origin.sender,
            "next_at": to_datetime(next_ms),
            "created_at": to_datetime(now_ms),
            "updated_at": to_datetime(now_ms),
            "request_key": _digest(key),
            "request_print": _fingerprint(asked) if key is not None else None,
        }
        row, known = self._database.run(lambda session: _make(session, origin.app, values))
        return self._with_runs(row), known

    def page(self, app: str, query: Document) -> Document:
        """A page of them, the oldest first."""
        after, limit = _after(query.get("cursor")), query.get("limit", _PAGE)
        with self._database.session() as session:
            rows = store.page(session, _app(session, app), after=after, limit=limit + 1)
        following = paging.encode(_LIST, rows[limit - 1].id) if len(rows) > limit else None
        return {"items": [documents.schedule(row) for row in rows[:limit]], "next": following}

    def get(self, app: str, id: str) -> Document:
        """One, with its last runs."""
        with self._database.session() as session:
            row = _find(session, app, id)
        return self._with_runs(row)

    def change(self, app: str, id: str, asked: Document, origin: Origin) -> Document:
        """Change what `asked` names. Raises InvalidRequest."""
        now_ms = self._clock.now_ms()
        values: Document = {name: asked[name] for name in ("name", "catch_up") if name in asked}
        if "notification" in asked:
            values |= self._content(asked["notification"], origin, id)

        def write(session: Session) -> ScheduleRow:
            row = _find(session, app, id, lock=True)
            store.change(session, id, values | _changed(row, asked, now_ms), now_ms=now_ms)
            return _find(session, app, id)

        return self._with_runs(self._database.run(write))

    def remove(self, app: str, id: str) -> None:
        """Stop one for good; what it has sent stays."""
        gone = self._database.run(
            lambda session: is_uuid7(id) and store.remove(session, _app(session, app), id)
        )
        if not gone:
            raise NotFound

    def pause(self, app: str, id: str) -> Document:
        """Fire no more until it is resumed. Again it changes nothing."""
        return self._switch(app, id, paused=True)

    def resume(self, app: str, id: str) -> Document:
        """Go on with the next instant; those of the pause are not caught up. Again it changes nothing."""
        return self._switch(app, id, paused=False)

    def skip_next(self, app: str, id: str) -> Document:
        """Leave the next instant out. Again, before that has passed, it changes nothing. Raises Conflict."""
        now_ms = self._clock.now_ms()

        def write(session: Session) -> ScheduleRow:
            row = _find(session, app, id, lock=True)
            if row.next_at is None:
                raise Conflict(_PAUSED if row.paused_at is not None else _OVER)
            if row.skip_at is None:
                store.change(session, id, {"skip_at": row.next_at}, now_ms=now_ms)
            return _find(session, app, id)

        return self._with_runs(self._database.run(write))

    def run_now(self, app: str, id: str, key: str | None) -> tuple[Document, bool]:
        """Send once, beside its instants, also while it is paused; also whether this key has done so before."""

        def write(session: Session) -> tuple[Document, bool]:
            _find(session, app, id, lock=True)
            found, known = schedule_runs.run_now(
                session, id, now_ms=self._clock.now_ms(), new_id=self._new_id, request_key=_digest(key)
            )
            return documents.run(found), known

        return self._database.run(write)

    def runs(self, app: str, id: str, query: Document) -> Document:
        """A page of its runs, the newest first."""
        before, limit = _before(query.get("cursor")), query.get("limit", _RUNS)
        with self._database.session() as session:
            row = _find(session, app, id)
            rows = schedule_runs.page(session, row.id, before_ms=before, limit=limit + 1)
        items = [documents.run(one) for one in rows[:limit]]
        last = to_ms(rows[limit - 1].fire_at) if len(rows) > limit else None
        return {"items": items, "next": None if last is None else paging.encode(_RUN_LIST, last)}

    def _switch(self, app: str, id: str, *, paused: bool) -> Document:
        now_ms = self._clock.now_ms()

        def write(session: Session) -> ScheduleRow:
            row = _find(session, app, id, lock=True)
            if (row.paused_at is not None) != paused:
                values = _paused(now_ms) if paused else _resumed(next_after(row.timing, now_ms))
                store.change(session, id, values, now_ms=now_ms)
            return _find(session, app, id)

        return self._with_runs(self._database.run(write))

    def _with_runs(self, row: ScheduleRow) -> Document:
        with self._database.session() as session:
            runs = schedule_runs.page(session, row.id, limit=NEXT)
        return {**documents.schedule(row), "last_runs": [documents.run(one) for one in runs]}

    def _content(self, asked: ContentIn, origin: Origin, id: str) -> Document:
        """The columns of what is sent. Raises what would refuse it, with the place in this request."""
        try:
            entry = self._judge(cast("NotificationIn", _checked(asked)), origin, id)
        except AppError as error:
            _put_below("notification", error)
            raise
        return {"notification": orjson.dumps(asked).decode(), "entry": template(entry)}

    def _new_id(self, now_ms: int) -> str:
        return uuid7(now_ms, self._random(_NOISE))


def _checked(asked: ContentIn) -> ContentIn:
    to = asked["to"]
    left_out = to.get("exclude", {})
    if to.get("everyone") and any(names for kind, names in left_out.items() if kind != "users"):
        # Whom that leaves out is settled when a notification is accepted, by the api; a schedule's is not.
        raise invalid("to.exclude", "A schedule to everyone can leave out users only.")
    return asked


def _put_below(field: str, error: AppError) -> None:
    """Name the field within this request."""
    if isinstance(error.detail, list):
        for one in error.detail:
            error.message = error.message.replace(one["field"], f"{field}.{one['field']}", 1)
            one["field"] = f"{field}.{one['field']}"


def _make(session: Session, app: str, values: Document) -> tuple[ScheduleRow, bool]:
    app_id = _app(session, app)
    if values["request_key"] is not None:
        known = store.made_by(session, app_id, values["request_key"])
        if known is not None and known.request_print != values["request_print"]:
            raise IdempotencyMismatch
        if known is not None:
            return known, True
    if not store.room(session, app_id, most=SCHEDULES_MAX):
        raise Conflict(f"An app has at most {SCHEDULES_MAX} schedules; delete one.")
    store.add(session, {**values, "app_id": app_id})
    return _find(session, app, values["id"]), False


def _changed(row: ScheduleRow, asked: Document, now_ms: int) -> Document:
    """The columns about when it fires that a change sets."""
    values: Document = {}
    timing, paused = row.timing, row.paused_at is not None
    if times.FIELDS & asked.keys():
        values, timing, next_ms = times.read(asked, row, now_ms=now_ms)
        values |= {"next_at": None if paused else to_datetime(next_ms), "skip_at": None}
    if asked.get("paused", paused) != paused:
        values |= _resumed(next_after(timing, now_ms)) if paused else _paused(now_ms)
    return values


def _paused(now_ms: int) -> Document:
    return {"paused_at": to_datetime(now_ms), "next_at": None, "skip_at": None}


def _resumed(next_ms: int | None) -> Document:
    return {"paused_at": None, "next_at": None if next_ms is None else to_datetime(next_ms)}


def _find(session: Session, app: str, id: str, *, lock: bool = False) -> ScheduleRow:
    row = store.find(session, _app(session, app), id, lock=lock) if is_uuid7(id) else None
    if row is None:
        raise NotFound
    return row


def _app(session: Session, name: str) -> int:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found.id


def _digest(key: str | None) -> str | None:
    return None if key is None else hashlib.sha256(key.encode()).hexdigest()


def _fingerprint(asked: Document) -> str:
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _after(cursor: str | None) -> str | None:
    after = None if cursor is None else str(_position(_LIST, cursor, str))
    if after is not None and not is_uuid7(after):
        raise invalid("cursor", "Not a cursor of this list.")
    return after


def _before(cursor: str | None) -> int | None:
    before = None if cursor is None else int(_position(_RUN_LIST, cursor, int))
    if before is not None and not 0 <= before < times.BEYOND:
        raise invalid("cursor", "Not a cursor of this list.")
    return before


def _position(kind: str, cursor: str, wanted: type) -> Any:
    try:
        (position,) = paging.decode(kind, cursor, (wanted,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    return position
