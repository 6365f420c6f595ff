"""The provider of a process: where its spans go, which are sampled, how soon it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.settings import Settings
from flows.runtime.host import telemetry
from tests.desk import unused_port
from tests.otlp import Receiver, receiving

UNKNOWN_PLACE = "http://traces/{trace_id}/{tenant}"


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def spans_of_one_request(settings: Settings) -> float:
    """Make a span in a process of the desk and end the process; how long the end took."""
    provider = telemetry.tracer_provider("worker", settings)
    with provider.get_tracer("test").start_as_current_span("request"):
        pass
    began = time.monotonic()
    provider.shutdown()
    return time.monotonic() - began


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_ENDPOINT"])
def test_spans_go_to_the_collector_under_either_name_of_its_address(
    name: str, tmp_path: Path, otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv(name, otlp.url)

    spans_of_one_request(Settings(home=tmp_path))

    (span,) = otlp.spans
    assert (span.name, span.service) == ("request", "credit-desk-lite")
    assert span.instance.startswith("worker-")
    assert not telemetry.kept("worker", Settings(home=tmp_path)).has_any


@pytest.mark.parametrize(
    ("sampler", "sampled"), [("always_on", 1), ("always_off", 0), ("parentbased_always_off", 0)]
)
def test_the_standard_variables_say_which_traces_are_sampled(
    sampler: str, sampled: int, tmp_path: Path, otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)

    spans_of_one_request(Settings(home=tmp_path))

    assert len(otlp.spans) == sampled


def test_without_a_collector_one_line_says_where_spans_stay_and_how_to_send_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=tmp_path)

    with caplog.at_level("INFO"):
        seconds = spans_of_one_request(settings)

    (line,) = caplog.messages
    assert "spans-worker.jsonl" in line
    assert "credit-desk traces send" in line
    assert telemetry.kept("worker", settings).has_any
    assert seconds < 2


def test_a_collector_that_is_not_there_delays_no_end_and_loses_no_span(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused_port()}")
    settings = Settings(home=tmp_path)

    assert spans_of_one_request(settings) < 3
    assert telemetry.kept("worker", settings).has_any


def test_spans_go_to_the_console_by_choice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_DESK_TRACE_CONSOLE", "true")
    settings = Settings(home=tmp_path)

    spans_of_one_request(settings)

    assert '"span": "request"' in capfd.readouterr().err
    assert not telemetry.kept("worker", settings).has_any


@pytest.mark.parametrize("name", ["TRACE_URL", "SPAN_URL"])
def test_an_address_of_a_viewer_with_an_unknown_place_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CREDIT_DESK_{name}", UNKNOWN_PLACE)

    with pytest.raises(ValueError, match=r"the only places in this address are \{trace_id\}"):
        Settings()
