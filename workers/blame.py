"""Whose fault an error is, for jobs that count it: as the table says, and where it is in doubt as the database says."""

from workers.database import answers
from workers.deps import Deps
from workers.failures import judge
from workers.isolation import Fault


def whose_fault(deps: Deps, error: Exception) -> Fault:
    """Judge an error; one that may be the member's stops instead while the database does not answer."""
    fault = judge(error, database_answers=True)
    if fault is Fault.UNSURE and not answers(deps.database):
        return Fault.STOP
    return fault
