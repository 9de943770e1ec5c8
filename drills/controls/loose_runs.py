"""For controls: runs whose key is no instant, so that a second one for the same instant finds none."""

import random
from datetime import timedelta
from typing import Any

from shared.store import schedule_runs

_run = schedule_runs._run  # noqa: SLF001  # that is what the controls change


def _anywhere_in_its_second(*args: Any, **kwargs: Any) -> dict[str, Any]:
    values = _run(*args, **kwargs)
    jitter = timedelta(microseconds=random.randrange(1, 900_000))  # noqa: S311  # no secret
    return {**values, "fire_at": values["fire_at"] + jitter}


vars(schedule_runs)["_run"] = _anywhere_in_its_second
