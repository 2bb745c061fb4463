"""Logging: readable lines on a terminal, JSON everywhere else, never blocking the service."""

import atexit
import logging
import os
import sys
import time
from contextlib import suppress
from typing import Any, cast

import asyncpg
import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from models.database import is_unavailable
from server.log_writer import LogWriter

REPEAT_SECONDS = 1.0
# Kinds of failure whose last line is remembered.
KINDS_LIMIT = 1_000

_STDERR = 2
_DETAIL = "DETAIL:"


def set_up_logs(level: str) -> LogWriter:
    """Configure structlog and the standard library's logging, and return the stream that both write to.

    Libraries log from warnings on.
    """
    writer = _writer()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        FailuresOnly(hide_row_details, shorten_expected_failure, RepeatLimit()),
    ]
    render = _renderers(writer.isatty())
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(writer),  # type: ignore[arg-type]  # a TextIO by use
        cache_logger_on_first_use=True,
    )
    handler = _Handler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    return writer


class _Handler(logging.StreamHandler[LogWriter]):
    """A handler that leaves out what a processor drops."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        with suppress(structlog.DropEvent):
            super().emit(record)


_writers: list[LogWriter] = []


def _writer() -> LogWriter:
    if not _writers:
        _keep_stderr_open()
        _writers.append(LogWriter(_STDERR, _log_dropped))
        atexit.register(drain_logs)
    return _writers[0]


def drain_logs() -> None:
    """Wait a moment for the lines that are still queued."""
    for writer in _writers:
        writer.drain()


def _keep_stderr_open() -> None:
    # Otherwise the next file or socket gets number 2, and PostgreSQL's programs write their messages into it.
    try:
        os.fstat(_STDERR)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != _STDERR:
            os.dup2(null, _STDERR)
            os.close(null)
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", closefd=False)  # noqa: SIM115  # open as long as the process


def _log_dropped(lines: int) -> None:
    structlog.get_logger(__name__).warning("log.lines_dropped", lines=lines)


def _renderers(terminal: bool) -> list[Processor]:
    if terminal:
        # Tracebacks without local variables: those may hold messages of customers, and tokens.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [
        FailuresOnly(structlog.processors.format_exc_info),
        structlog.processors.JSONRenderer(lambda value, **_: orjson.dumps(value, default=repr).decode()),
    ]


class FailuresOnly:
    """A processor that passes a line with an error or an exception through others. Few lines have one."""

    def __init__(self, *processors: Processor) -> None:
        self._processors = processors

    def __call__(self, logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Return the event as the processors leave it."""
        if "error" in event or "exc_info" in event:
            for process in self._processors:
                event = cast(EventDict, process(logger, level, event))
        return event


def hide_row_details(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Cut the details of PostgreSQL's errors, which quote rows and so the messages of customers."""
    error, seen = _exception_of(event), set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        if error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].partition(_DETAIL)[0].rstrip(), *error.args[1:])
        error = error.__cause__ or error.__context__
    if isinstance(event.get("error"), str):
        event["error"] = event["error"].partition(_DETAIL)[0]
    return event


def _exception_of(event: EventDict) -> BaseException | None:
    raised = event.get("exc_info")
    if raised is True:
        raised = sys.exc_info()
    return raised[1] if isinstance(raised, tuple) else raised


def shorten_expected_failure(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the traceback of a database or network failure by one line."""
    error = _exception_of(event)
    if is_unavailable(error) or isinstance(error, TimeoutError):
        del event["exc_info"]
        event.setdefault("error", repr(error))
    return event


class RepeatLimit:
    """A processor that passes one failure of each kind per second, with the number of those left out.

    A kind is an event and the type of its `error`. Lines without `error` always pass.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def __call__(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Pass the line on, or raise DropEvent."""
        if "error" not in event or level not in {"warning", "error"}:
            return event
        kind, now = (str(event.get("event")), _type_of(event["error"])), time.monotonic()
        if now - self._last.get(kind, -REPEAT_SECONDS) < REPEAT_SECONDS:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            raise structlog.DropEvent
        if len(self._last) >= KINDS_LIMIT:
            self._last.clear()
        self._last[kind] = now
        if left_out := self._left_out.pop(kind, 0):
            event["left_out"] = left_out
        return event


def _type_of(error: Any) -> str:
    return str(error).partition("(")[0][:100]
