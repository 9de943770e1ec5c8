"""The routes of recurring schedules; a part of api.routes.

Rule T.
"""

from typing import Any, Final

from pydantic import TypeAdapter

from api.acceptance import KEY_HEADER
from api.routing import Operation, body
from api.schemas.common import Listing
from api.schemas.schedules import (
    RunOut,
    RunsQuery,
    ScheduleChange,
    ScheduleIn,
    ScheduleItem,
    ScheduleOut,
    SchedulesQuery,
)
from shared.db import DatabaseUnavailable
from shared.errors import AppError, Conflict, IdempotencyMismatch, InvalidRequest, NotFound, NotSupported

_ONE: Final = "/v1/schedules/{id}"
_CONTENT: Final = (NotFound, NotSupported, DatabaseUnavailable)


def _key(about: str) -> dict[str, str]:
    return {KEY_HEADER: f"1 to 200 visible characters. {about}, with the header `Idempotent-Replayed: true`."}


def _action(name: str, about: str, errors: tuple[type[AppError], ...] = (), **more: Any) -> Operation:
    return Operation(
        method="POST",
        path=f"{_ONE}/{name}",
        resource="schedules",
        suffix=name.replace("-", "_"),
        area="Schedules",
        about=about,
        scope="schedules:write",
        errors=(NotFound, *errors, DatabaseUnavailable),
        **{"answers": {200: ScheduleOut}, **more},
    )


SCHEDULES: Final = (
    Operation(
        method="POST",
        path="/v1/schedules",
        resource="schedules",
        area="Schedules",
        about="Send a notification again and again: by a cron expression, or each so many seconds.",
        scope="schedules:write",
        body=body(ScheduleIn),
        headers=_key("A repetition makes no second one as long as the first is there, and answers with that"),
        answers={201: ScheduleOut},
        errors=(Conflict, IdempotencyMismatch, *_CONTENT),
    ),
    Operation(
        method="GET",
        path="/v1/schedules",
        resource="schedules",
        area="Schedules",
        about="List the schedules, the oldest first.",
        scope="schedules:read",
        query=TypeAdapter(SchedulesQuery),
        answers={200: Listing[ScheduleItem]},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path=_ONE,
        resource="schedules",
        suffix="one",
        area="Schedules",
        about="Tell a schedule, when it fires next and what it did last.",
        scope="schedules:read",
        answers={200: ScheduleOut},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="PATCH",
        path=_ONE,
        resource="schedules",
        suffix="one",
        area="Schedules",
        about="Change a schedule; what is left out stays.",
        scope="schedules:write",
        body=body(ScheduleChange),
        answers={200: ScheduleOut},
        errors=_CONTENT,
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        resource="schedules",
        suffix="one",
        area="Schedules",
        about="Stop a schedule for good; what it has sent stays.",
        scope="schedules:write",
        answers={204: None},
        errors=(NotFound, DatabaseUnavailable),
    ),
    _action("pause", "Fire no more until it is resumed. Again it changes nothing."),
    _action("resume", "Go on with the next instant; those of the pause are not caught up."),
    _action(
        "skip-next",
        "Leave the next instant out. Again, before it has passed, it changes nothing.",
        (Conflict,),
    ),
    _action(
        "run-now",
        "Send once now, beside the instants of the schedule, also while it is paused.",
        (InvalidRequest,),
        headers=_key("A repetition sends nothing and answers with the run of the first"),
        answers={202: RunOut},
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/runs",
        resource="schedules",
        suffix="runs",
        area="Schedules",
        about="List what became of the instants of a schedule, the newest first.",
        scope="schedules:read",
        query=TypeAdapter(RunsQuery),
        answers={200: Listing[RunOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
)
