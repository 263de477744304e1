"""Structured logs: one JSON object a line on standard output, secrets and addresses redacted."""

import logging
import sys
from collections.abc import MutableMapping
from importlib.metadata import version
from typing import Any, Final, TextIO

import orjson
import structlog

from plumbline_runtime.error_words import describe, first_line, place
from plumbline_runtime.redaction import redact_event
from plumbline_runtime.repeats import Repeats

QUIET: Final = ("aiokafka", "faststream", "uvicorn", "uvicorn.access", "httpx", "httpcore")
"""Libraries whose own lines only matter from WARNING on."""


class _Forward(logging.Handler):
    """Hands what libraries log to structlog, so that one format and one redaction apply.

    While a broker is away aiokafka says so twice a second: repeated messages are counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        told = self._repeats.told((record.name, str(record.msg)), record.created)
        if told is None:
            return
        # A library's message may quote objects over many lines; its stack tells nothing of ours.
        message = first_line(record.getMessage())
        fields: dict[str, Any] = {"logger": record.name, "message": message, **told}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = record.exc_info[1]
        structlog.get_logger().log(record.levelno, "library_message", **fields)


def configure_logging(
    service: str, *, level: str = "INFO", instance: str = "0", stream: TextIO | None = None
) -> None:
    """Set up structlog and the standard library's loggers for this process."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            exception_words,
            redact_event,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stdout),
        cache_logger_on_first_use=stream is None,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        service=service, version=version("plumbline-runtime"), instance=instance
    )
    root = logging.getLogger()
    for handler in [found for found in root.handlers if isinstance(found, _Forward)]:
        root.removeHandler(handler)
    root.addHandler(_Forward())
    root.setLevel(threshold)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def exception_words(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The structlog processor for `exc_info`: class, words and place, in one line."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event.setdefault("error", describe(error))
        event["raised_at"] = place(error)
        if error.__cause__ is not None:
            event["caused_by"] = describe(error.__cause__)
    return event


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The process's logger; event names are static snake_case, facts are fields."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
