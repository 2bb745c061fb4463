"""Logs: lines for people on a terminal, JSON everywhere else."""

import logging
import sys

import orjson
import structlog


def set_up_logs(level: str) -> None:
    """Sets structlog up for the process; what libraries log goes the same way from warnings on."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if sys.stderr.isatty():
        # Tracebacks without local variables: those may hold what people said, and tokens.
        plain = structlog.dev.plain_traceback
        last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        last = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(lambda value, **_: orjson.dumps(value, default=repr).decode()),
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
