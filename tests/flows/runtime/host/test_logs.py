"""The log of a process: for people or as JSON, with the span that a line was written in."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from pydantic import ValidationError

from data.settings import Settings
from flows.runtime.host.logs import LINE, JsonLines, TextLines, as_expected
from flows.runtime.host.run_spans import spans_of
from tests.desk import clean_environment

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


def test_a_line_names_the_run_that_the_process_works_for() -> None:
    with spans_of("run-1"):
        text, line = TextLines(LINE).format(record()), json.loads(JsonLines().format(record()))

    assert text.endswith("lost 3 of them run_id=run-1")
    assert line["run_id"] == "run-1"


def test_an_error_in_json_stays_on_one_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonLines().format(record(error=True))

    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_a_line_for_people_ends_in_the_ids_and_outside_of_a_span_in_the_message() -> None:
    with trace.use_span(SPAN):
        inside = TextLines(LINE).format(record())
    outside = TextLines(LINE).format(record())

    assert inside.endswith(f"lost 3 of them trace_id={IDS['trace_id']} span_id={IDS['span_id']}")
    assert outside.endswith("WARNING flows.worker: lost 3 of them")


@pytest.mark.parametrize("setting", ["xml", "JSON "])
def test_another_format_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_DESK_LOG_FORMAT", setting)

    with pytest.raises(ValidationError):
        Settings()


SPEAKING = """
import logging
from data.settings import settings
from flows.runtime.host import logs
from flows.runtime.host.environment import apply_prefect_environment
apply_prefect_environment(settings())
from prefect.logging.configuration import setup_logging
logs.setup(settings())
setup_logging()  # as Prefect does before it executes a flow
logging.getLogger("prefect.flow_runs").error("of Prefect")
logging.getLogger("flows.worker").warning("of the desk")
"""


@pytest.mark.parametrize("setting", ["json", "text"])
def test_prefect_s_lines_are_written_like_those_of_the_desk(setting: str, tmp_path: Path) -> None:
    variables = {"CREDIT_DESK_LOG_FORMAT": setting, "CREDIT_DESK_HOME": str(tmp_path)}
    spoken = subprocess.run(
        [sys.executable, "-c", SPEAKING],
        env=clean_environment() | variables | {"PREFECT_LOGGING_TO_API_ENABLED": "false"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stderr.splitlines()

    if setting == "json":
        bodies = [json.loads(line)["body"] for line in spoken]
        assert bodies == ["of Prefect", "of the desk"]
    else:
        assert [line.split(" ", 2)[2] for line in spoken] == [
            "ERROR prefect.flow_runs: of Prefect",
            "WARNING flows.worker: of the desk",
        ]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("Finished in state Suspended(type=PAUSED)", "INFO"),
        ("Crash detected! Execution was aborted by a termination signal.", "INFO"),
        ("Finished in state Crashed('Execution was cancelled by the runtime environ", "ERROR"),
        ("Finished in state Crashed('Execution was cancelled by the runtime environment')", "INFO"),
        ("Crash detected! Execution was interrupted by an unexpected exception: x", "ERROR"),
        ("Finished in state Failed('it broke')", "ERROR"),
    ],
)
def test_a_wait_for_a_person_or_for_another_worker_is_no_error(line: str, level: str) -> None:
    told = logging.LogRecord("prefect.flow_runs", logging.ERROR, __file__, 1, line, (), None)

    assert as_expected(told)
    assert told.levelname == level
