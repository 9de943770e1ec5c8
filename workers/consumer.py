"""What a worker does with messages that are no jobs of ours: counts them, says so in one line, and goes on.

Rule A. Whoever can write to the broker can send anything. Celery would write it into the log and run tasks of its own
that nobody here asks for; and a body of another shape than its protocol's would end the worker, and the next one too.
"""

from collections.abc import Callable
from typing import Any, Final

from celery.worker.consumer import Consumer

from shared import broker, logs
from shared.protocol.jobs import Job

log = logs.get(__name__)

_JOBS: Final = frozenset(str(job) for job in Job)
_JSON: Final = "application/json"


class JobConsumer(Consumer):  # type: ignore[misc]  # celery has no types
    """Takes the jobs of the table and nothing else."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Look at each message before Celery does."""
        handle = super().create_task_handler(*args, **options)

        def look(message: Any) -> None:
            found = problem(message)
            if found is None:
                handle(message)
            else:
                broker.note_rejected(found)
                message.reject_log_error(log, self.connection_errors)

        return look


def problem(message: Any) -> str | None:
    """Say what makes a message none of our producer's; never with words of its own. None: it is one of its kind.

    Arguments are judged by the job (workers.args).
    """
    headers = message.headers
    if not isinstance(headers, dict) or str(headers.get("task")) not in _JOBS:
        return "it names no job of ours"
    if headers.get("eta") is not None:
        return "it asks the worker to keep it"
    if message.content_type != _JSON:
        return "its body is not JSON"
    try:
        positional, named, embedded = message.payload
    except Exception:  # noqa: BLE001  # whatever is wrong with it
        return "its body cannot be read"
    return _problem_of_body(positional, named, embedded)


def _problem_of_body(positional: Any, named: Any, embedded: Any) -> str | None:
    if positional or not isinstance(named, dict):
        return "its arguments are not by name"
    if not isinstance(embedded, dict) or any(embedded.values()):
        return "it names what to do afterwards"
    return None
