"""Shapes of recurring schedules and their runs.

Rule P.
"""

from typing import Annotated, Final, Literal, Required

from pydantic import Field, StringConstraints, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from api.schemas.common import (
    STRICT,
    Answer,
    Cursor,
    GivenInstant,
    Instant,
    JsonObject,
    NotificationId,
    one_of,
)
from api.schemas.notifications import ContentIn
from api.schemas.users import TimeZone
from shared.domain.cron import LENGTH
from shared.domain.schedules import EVERY_MAX

PAGE_MAX: Final = 100
RUNS_MAX: Final = 1000
NEXT: Final = 5
"""Instants to come, and runs, that are shown with a schedule."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
CronText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LENGTH),
    Field(description="Minute, hour, day of month, month, day of week.", examples=["0 9 * * MON-FRI"]),
]
Every = Annotated[int, Field(ge=1, le=EVERY_MAX, description="Seconds from one to the next.")]
Zone = Annotated[
    TimeZone, Field(description="An IANA name such as `Europe/Berlin`, for `cron`; `UTC` if absent.")
]
Start = Annotated[
    GivenInstant | None,
    Field(description="RFC 3339; the first instant at which it may fire, and from which `every` counts."),
]
End = Annotated[GivenInstant | None, Field(description="RFC 3339; the last instant at which it may fire.")]
CatchingUp = Annotated[
    Literal["skip", "once", "all"],
    Field(
        description="What becomes of instants that passed more than a minute ago: none, the latest or each"
        " of the newest 1,000 is sent. `once` if absent."
    ),
]


_EVERY_HOUR: Final[JsonDict] = {
    "every": 3600,
    "notification": {"to": {"users": ["ana"]}, "event": "hour.over"},
}


@with_config(one_of("cron", "every", example=_EVERY_HOUR))
class ScheduleIn(TypedDict, total=False):
    """What is sent when; one of `cron` and `every`."""

    name: Name | None
    cron: CronText
    every: Every
    timezone: Zone
    start: Start
    end: End
    catch_up: CatchingUp
    notification: Required[ContentIn]


@with_config(STRICT)
class ScheduleChange(TypedDict, total=False):
    """What is to be different; null clears a name, a start or an end."""

    name: Name | None
    cron: CronText
    every: Every
    timezone: Zone
    start: Start
    end: End
    catch_up: CatchingUp
    notification: ContentIn
    paused: bool


@with_config(STRICT)
class SchedulesQuery(TypedDict, total=False):
    """Where the list goes on, and how long a page is."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="50 if absent.")]


@with_config(STRICT)
class RunsQuery(TypedDict, total=False):
    """Where the list goes on, and how long a page is."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=RUNS_MAX, description="100 if absent.")]


class RunOut(Answer):
    """What became of one instant."""

    fire_at: Instant
    reason: Annotated[
        Literal["due", "catch_up", "run_now", "skipped"],
        Field(description="With `skipped` nothing was sent."),
    ]
    notification: NotificationId | None
    since: Annotated[
        Instant | None,
        Field(description="With `skipped`: the first of the instants that were left out up to `fire_at`."),
    ]
    created_at: Instant
    accepted_at: Annotated[
        Instant | None, Field(description="When the notification was accepted; null until then.")
    ]


class ScheduleItem(Answer):
    """A schedule."""

    id: NotificationId
    name: str | None
    state: Annotated[Literal["active", "paused", "over"], Field(description="`over`: no instant is left.")]
    cron: str | None
    every: int | None
    timezone: str
    start: Instant | None
    end: Instant | None
    catch_up: CatchingUp
    next: Annotated[list[Instant], Field(max_length=NEXT, description="Without the one that is left out.")]
    skipping: Annotated[Instant | None, Field(description="The instant that is left out.")]
    notification: JsonObject
    sender: Annotated[str, Field(description="Who made it.")]
    created_at: Instant
    updated_at: Instant


class ScheduleOut(ScheduleItem):
    """A schedule and what it did last."""

    last_runs: Annotated[list[RunOut], Field(max_length=NEXT, description="The newest first.")]
