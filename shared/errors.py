"""The one tree of errors that a caller of Bellhop may see.

A class knows its code, its HTTP status and whether trying again helps; shells translate it.

    AppError
    ├── InvalidRequest 422        ├── NotSupported 422        ├── IdempotencyMismatch 422
    ├── MalformedBody 400         ├── BodyTooLarge 413        ├── UnsupportedMediaType 415
    ├── Unauthenticated 401       ├── Forbidden 403           ├── NotFound 404
    ├── MethodNotAllowed 405      ├── Conflict 409            ├── TooManyRequests 429
    ├── Unavailable 503           └── Internal 500
"""

from typing import Any, ClassVar


class AppError(Exception):
    """An error with a stable code. `message` is a sentence for people, `detail` is for programs."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    title: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self, message: str | None = None, *, detail: Any = None, retry_after: float | None = None
    ) -> None:
        """`retry_after` is in seconds and becomes the Retry-After header or field."""
        super().__init__(message or self.title)
        self.message = message or self.title
        self.detail = detail
        self.retry_after = retry_after

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The value of `error` in the one error format (DESIGN section 5)."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            found["detail"] = self.detail
        found["retryable"] = self.retryable
        found["request_id"] = request_id
        return found


class MalformedBody(AppError):
    """The body is not the JSON text that the route expects."""

    code, status, title = "malformed_body", 400, "The body is not valid JSON."


class InvalidRequest(AppError):
    """A field is missing, unknown, of the wrong type or out of range; `detail` lists each."""

    code, status, title = "invalid_request", 422, "A field of the request is not valid."


class NotSupported(AppError):
    """A documented field that this version does not serve."""

    code, status, title = "not_supported", 422, "This version does not support that field."


class IdempotencyMismatch(AppError):
    """The Idempotency-Key was used before with another body."""

    code, status, title = "idempotency_mismatch", 422, "This Idempotency-Key was used with another body."


class BodyTooLarge(AppError):
    """The body is over the limit of its route."""

    code, status, title = "body_too_large", 413, "The body is too large."


class NotAcceptable(AppError):
    """`Accept` excludes application/json, which is what the route answers."""

    code, status, title = "not_acceptable", 406, "The answer is application/json."


class UnsupportedMediaType(AppError):
    """A body that is not declared as application/json."""

    code, status, title = "unsupported_media_type", 415, "Send application/json."


class Unauthenticated(AppError):
    """No credential, or one that is malformed, unknown, expired or revoked."""

    code, status, title = "unauthenticated", 401, "Sign in with an API key or a token."


class Forbidden(AppError):
    """The credential is good but does not carry the right."""

    code, status, title = "forbidden", 403, "This credential does not allow that."


class NotFound(AppError):
    """There is no such thing in this app; also said of what belongs to another app."""

    code, status, title = "not_found", 404, "There is no such thing here."


class MethodNotAllowed(AppError):
    """The path exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "This path does not take that method."


class Conflict(AppError):
    """The thing is in a state that does not allow the change."""

    code, status, title = "conflict", 409, "The present state does not allow that."


class TooManyRequests(AppError):
    """Over a limit; come back after `retry_after` seconds."""

    code, status, retryable, title = "too_many_requests", 429, True, "Too many requests."


class Unavailable(AppError):
    """A part that this needs does not answer; nothing is promised to have been stored. Repeat with the same key."""

    code, status, retryable, title = "unavailable", 503, True, "Not available just now; try again."


class Internal(AppError):
    """A fault of ours; the log has the same request id."""

    code, status, retryable = "internal", 500, True
