"""The log of a process: lines for people, or JSON by a setting, with the run and span under way."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from opentelemetry import trace

from data.settings import LogFormat, Settings
from flows.runtime.host.run_spans import run_under_way

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_EXPECTED = (
    *("Finished in state Suspended", "Finished in state Paused"),
    # The worker stops in good order: the run, or the job, goes on with another one.
    *(
        f"{said}Execution was {how}"
        for said in ("Crash detected! ", "Finished in state Crashed('")
        for how in ("cancelled by the runtime environment", "aborted by a termination signal")
    ),
)
_CHATTY = ("httpx", "httpcore", "mcp", "prefect", "uvicorn.access", "asyncio", "alembic")


def setup(settings: Settings) -> None:
    """Start the log of this process on its standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings)(LINE))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("prefect.flow_runs").addFilter(as_expected)


def as_expected(record: logging.LogRecord) -> bool:
    """Let Prefect's line about a run that waits for a person, or goes on later, be no error.

    Prefect logs every end of an execution but `Completed` as an error, also on the run's page.
    """
    if record.getMessage().startswith(_EXPECTED):
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def formatter(settings: Settings) -> type[logging.Formatter]:
    """The class that writes the lines of this desk, also those of Prefect."""
    return JsonLines if settings.log_format is LogFormat.JSON else TextLines


class TextLines(logging.Formatter):
    """A line for people; the ids of the run and of the span under way are at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in _under_way().items())
        return super().formatMessage(record) + ids


class JsonLines(logging.Formatter):
    """One JSON object per line, by the names of the OpenTelemetry log model where it has one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": record.levelname,
            "logger": record.name,
            "body": record.getMessage(),
            **_under_way(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _under_way() -> dict[str, str]:
    """The ids of the run (or batch) and of the span under way; empty outside of both."""
    ids = {"run_id": run_id} if (run_id := run_under_way()) else {}
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        ids |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
    return ids
