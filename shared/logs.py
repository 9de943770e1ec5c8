"""Structured logs of every process: one line per event, JSON for machines, colours on a terminal.

Secrets are taken out here, in one place, because a log line may be written anywhere. The chain is short and
the loggers are cached: a line costs some microseconds, so that a busy node may log without being slowed.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Protocol, TextIO, cast

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

REDACTED = "[redacted]"

_SECRET_FIELD = re.compile(
    r"authorization|cookie|token|ticket|password|secret|bearer|credential|(^|[_-])(api_?)?key$", re.I
)
# Names that hold a secret word and no secret: keys that are no credentials, times.
_HARMLESS = frozenset(
    {"cancel_key", "collapse_key", "thread_key", "idempotency_key", "redis_key", "token_ttl"}
)
_SECRET_TEXT = re.compile(
    r"(?P<name>[?&;\s\"'](?:access_|refresh_|id_)?(?:token|ticket|session|apikey|api_key|key|password|secret)=)[^&\s\"'#;]+"
    r"|(?P<scheme>\b(?:bearer|basic)[ .]+)[A-Za-z0-9._~+/=-]{6,}"
    r"|(?P<login>://[^\s/:@]*:)[^\s/@]+(?=@)",
    re.I,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_MAX_DEPTH = 6
# Celery's two lines per job and one per tick: our own events say the same with the request id.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.beat")


class LogSettings(Protocol):
    """The part of the settings that logging reads."""

    @property
    def log_level(self) -> str:
        """The least level that is logged."""

    @property
    def log_format(self) -> str:
        """`auto`, `json` or `console`."""


def configure(settings: LogSettings, process: str, stream: TextIO | None = None) -> None:
    """Set up logging of this process, our own loggers and those of libraries; each line names `process`."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process(process),
    ]
    ending = _console_ending() if console else _json_ending()
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LineLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(stream, level, shared, ending)


def get(name: str) -> FilteringBoundLogger:
    """Return the logger of a module: `log = get(__name__)`, then `log.info("event_name", key=value)`."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def bind(**fields: object) -> None:
    """Add fields (such as request_id) to every further line of this task, greenlet or thread."""
    structlog.contextvars.bind_contextvars(**fields)


def unbind(*names: str) -> None:
    """Take fields away again."""
    structlog.contextvars.unbind_contextvars(*names)


def redact_text(text: str) -> str:
    """Take tokens out of URLs, headers and messages."""
    return _SECRET_TEXT.sub(_keep_name, text) if _SECRET_TEXT.search(text) else text


def redact(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: no secret leaves through a field of that name or inside a text."""
    for name, value in event.items():
        event[name] = REDACTED if _is_secret(name) and value is not None else _redacted(value, _MAX_DEPTH)
    return event


def _keep_name(match: re.Match[str]) -> str:
    return (match["name"] or match["scheme"] or match["login"]) + REDACTED


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name.lower() not in _HARMLESS and _SECRET_FIELD.search(name) is not None


def _redacted(value: Any, depth: int) -> Any:
    match value:
        case str():
            return redact_text(value)
        case int() | float() | None:
            return value
        case bytes():
            return redact_text(value.decode("utf-8", "backslashreplace"))
        case dict() if depth:
            return {
                str(key): REDACTED if _is_secret(str(key)) else _redacted(item, depth - 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_redacted(item, depth - 1) for item in value]
        case _:
            return redact_text(repr(value))


def _add_process(process: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def _json_ending() -> list[Processor]:
    return [structlog.processors.format_exc_info, redact, _render_json]


def _console_ending() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(colors=True)
    return [structlog.processors.format_exc_info, redact, _one_line, renderer]


def _render_json(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=repr).decode()


def _one_line(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep line ends and terminal sequences of foreign text off the terminal; a traceback keeps its lines."""
    for name, value in event.items():
        if isinstance(value, str):
            parts = value.split("\n") if name == "exception" else [value]
            event[name] = "\n".join(_CONTROL.sub(_escaped, part) for part in parts)
    return event


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _LineLogger:
    """Writes finished lines. One write call per line, so that lines of several processes do not mix."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: str) -> None:
        """Write one line."""
        self._stream.write(line + "\n")
        self._stream.flush()

    log = debug = info = warn = warning = error = critical = fatal = failure = exception = msg


class _LineLoggerFactory:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, name: str = "") -> _LineLogger:
        return _LineLogger(self._stream, name)


def _configure_libraries(
    stream: TextIO, level: int, shared: list[Processor], ending: list[Processor]
) -> None:
    """Send what libraries log through the same chain."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(level if level < logging.INFO else max(level, logging.WARNING))
