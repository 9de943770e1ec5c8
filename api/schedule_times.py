"""When a schedule fires, as a request says it: checked, and in the words of the table.

Rule P.
"""

from collections.abc import Mapping
from typing import Any, Final

from api import instants
from api.validation import invalid
from shared.clock import to_datetime, to_ms
from shared.domain.cron import BadCron, parse
from shared.domain.schedules import Timing, next_after, whole_second
from shared.store.schedules import ScheduleRow

FIELDS: Final = frozenset({"cron", "every", "timezone", "start", "end"})
"""The fields of a request that say when."""
BEYOND: Final = to_ms(to_datetime(0).replace(year=2200))
Values = dict[str, Any]


def read(asked: Mapping[str, Any], before: ScheduleRow | None, *, now_ms: int) -> tuple[Values, Timing, int]:
    """The columns that `asked` sets, the timing and the next instant. What it leaves out stays as `before` has it.

    Raises InvalidRequest, naming the field, also if nothing would ever be sent.
    """
    values = _kind(asked, before) | _zone(asked, before)
    for field in ("start", "end"):
        if field in asked:
            values[f"{field}_at"] = _instant(field, asked[field])
    timing = _timing(values, before, now_ms)
    _check_order(timing)
    try:
        found = next_after(timing, now_ms)
    except OverflowError:
        found = None
    if found is None:
        raise invalid("cron" if timing.end is None else "end", "It would never fire.")
    return values, timing, found


def _kind(asked: Mapping[str, Any], before: ScheduleRow | None) -> Values:
    if "cron" in asked and "every" in asked:
        raise invalid("every", "Give cron or every, not both.")
    if "cron" in asked:
        try:
            return {"cron": parse(asked["cron"]), "every": None}
        except BadCron as error:
            raise invalid("cron", str(error)) from None
    if "every" in asked:
        # A zone that is left over from a cron expression would say nothing any more.
        return {"cron": None, "every": asked["every"], "timezone": "UTC"}
    if before is None:
        raise invalid("cron", "Give cron or every.")
    return {"cron": before.cron, "every": before.every}


def _zone(asked: Mapping[str, Any], before: ScheduleRow | None) -> Values:
    if "timezone" not in asked:
        return {} if before is not None else {"timezone": "UTC"}
    by_seconds = "every" in asked or ("cron" not in asked and before is not None and before.cron is None)
    if by_seconds:
        raise invalid("timezone", "Only with cron: every counts seconds.")
    return {"timezone": asked["timezone"]}


def _instant(field: str, text: str | None) -> Any:
    if text is None:
        return None
    ms = whole_second(instants.read(field, text))
    if not 0 <= ms < BEYOND:
        raise invalid(field, "Not between 1970 and 2199.")
    return to_datetime(ms)


def _timing(values: Values, before: ScheduleRow | None, now_ms: int) -> Timing:
    def now(name: str) -> Any:
        return values[name] if name in values or before is None else getattr(before, name)

    start, end = values.get("start_at"), values.get("end_at")
    if before is not None:
        start, end = now("start_at"), now("end_at")
    created_ms = now_ms if before is None else to_ms(before.created_at)
    return Timing(
        cron=values["cron"],
        every=values["every"],
        timezone=now("timezone"),
        anchor=whole_second(created_ms) if start is None else to_ms(start),
        start=None if start is None else to_ms(start),
        end=None if end is None else to_ms(end),
    )


def _check_order(timing: Timing) -> None:
    if timing.start is not None and timing.end is not None and timing.end < timing.start:
        raise invalid("end", "Before the start.")
