"""The log of a process: for people or as JSON, with the span that a line was written in."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from pydantic import ValidationError

from data.settings import Settings
from flows.runtime.host.logs import JsonLines, TextLines

SPAN = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
IDS = {"trace_id": f"{0xABC:032x}", "span_id": f"{0xDEF:016x}"}


def record(error: bool = False) -> logging.LogRecord:
    return logging.LogRecord(
        *("flows.worker", logging.WARNING, __file__, 1, "lost %d of them", (3,)),
        exc_info=sys.exc_info() if error else None,
    )


def test_a_line_of_json_has_the_ids_of_the_span_under_way() -> None:
    with trace.use_span(SPAN):
        line = json.loads(JsonLines().format(record()))

    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "severity": "WARNING",
        "logger": "flows.worker",
        "body": "lost 3 of them",
        **IDS,
    }


def test_an_error_in_json_stays_on_one_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonLines().format(record(error=True))

    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_a_line_for_people_ends_in_the_ids_and_outside_of_a_span_in_the_message() -> None:
    with trace.use_span(SPAN):
        inside = TextLines().format(record())
    outside = TextLines().format(record())

    assert inside.endswith(f"lost 3 of them trace_id={IDS['trace_id']} span_id={IDS['span_id']}")
    assert outside.endswith("WARNING flows.worker: lost 3 of them")


@pytest.mark.parametrize("setting", ["xml", "JSON "])
def test_another_format_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_DESK_LOG_FORMAT", setting)

    with pytest.raises(ValidationError):
        Settings()
