"""`credit-desk traces send`: kept spans, sent later by a person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from data.settings import Settings
from flows.runtime.host import telemetry
from tests.desk import ROOT, unused_port
from tests.otlp import receiving


def send(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "traces", "send", "--home", str(home), *arguments],
        cwd=ROOT,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def keep_spans(home: Path) -> None:
    provider = TracerProvider()
    kept = telemetry.kept("worker", Settings(home=home))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for number in range(3):
        provider.get_tracer("test").start_span(f"span {number}").end()


def test_kept_spans_are_sent_once(tmp_path: Path) -> None:
    keep_spans(tmp_path)

    with receiving() as otlp:
        sent = send(tmp_path, "--to", otlp.url)
        again = send(tmp_path, "--to", otlp.url, "--json")

    assert (sent.returncode, sent.stdout) == (0, "Sent 3 batches of spans\n"), sent.stderr
    assert json.loads(again.stdout) == {"sent_batches": 0, "roles_with_spans_left": 0}
    assert [span.name for span in otlp.spans] == ["span 0", "span 1", "span 2"]


def test_a_collector_that_is_not_there_leaves_them_where_they_are(tmp_path: Path) -> None:
    keep_spans(tmp_path)

    failed = send(tmp_path, "--to", f"http://127.0.0.1:{unused_port()}")

    assert failed.returncode == 1
    assert "the rest, which stays" in failed.stdout
    assert telemetry.kept("worker", Settings(home=tmp_path)).has_any


def test_without_a_collector_the_command_says_how_to_name_one(tmp_path: Path) -> None:
    refused = send(tmp_path)

    assert refused.returncode == 2
    assert "--to" in refused.stderr
