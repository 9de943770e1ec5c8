"""How each contract that was taken over tells an error: its status, and a body of its shape.

Rule P. What the contracts call a bad request is 400, whatever we call it. What they never said (over a limit, nothing
accepted just now) has our status in their shape.
"""

from typing import Any, Final

from shared.errors import AppError, InvalidRequest

_BAD: Final = 400
_OURS: Final = (400, 415, 422)
"""What is told as 400."""

Told = tuple[int, Any]


def told_by_a(error: AppError) -> Told:
    """`{"error": "Invalid payload"}` for any bad body, exactly."""
    if error.status in _OURS:
        return _BAD, {"error": "Invalid payload"}
    return error.status, {"error": error.message}


def told_by_b(error: AppError) -> Told:
    """`{"success": false, "message"}`, with `errors` where fields are refused."""
    body: dict[str, Any] = {"success": False, "message": error.message}
    if isinstance(error, InvalidRequest):
        body |= {"message": "Validation failed", "errors": error.detail}
    return _status(error), body


def told_by_d(error: AppError) -> Told:
    """`{"success": false, "error"}`, as the callback of its socket."""
    return _status(error), {"success": False, "error": error.message}


def told_by_e(error: AppError) -> Told:
    """`{"error"}`."""
    return _status(error), {"error": error.message}


def _status(error: AppError) -> int:
    return _BAD if error.status in _OURS else error.status
