"""Logs and traces of a service: structlog with static event names, OpenTelemetry.

Never logs personal data or tokens: ids and hashes only.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

# Without local variables: they hold names, addresses and keys.
_TRACEBACKS = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
_SECRET = re.compile(
    r"(token|secret|password|authorization|cookie|email|phone|name|address)$", re.IGNORECASE
)


def configure_logging(*, json: bool, level: str) -> None:
    """Set up structlog for the process; call once, in an entry point."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
        _add_trace,
    ]
    if json:
        processors.append(_TRACEBACKS)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def configure_tracing() -> None:
    """Give the process real trace ids; exporters are added by whoever deploys a collector."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())


def _redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: "***" if _SECRET.search(key) else value for key, value in event.items()}


def _add_trace(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event
