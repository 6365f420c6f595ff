"""The spans of a batch: one per start of its driver, and one per chunk below it.

A chunk's span is sent when the chunk ends, perhaps from another machine. The driver's comes at its
end. Until then, and for ever if the driver is killed, the chunks would have no parent: the journal
names the driver's span from the beginning, and `lost_spans` draws it from there. Applications have
no spans of their own: sixty for each would be most of the work of a batch. The chunk's span tells
which of them failed, and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current

from data import traces
from data.contracts.errors import LeaseLostError
from data.settings import Settings
from flows.runtime.host import telemetry
from flows.runtime.host.links import batch_links
from flows.runtime.host.run_spans import spans_of
from flows.runtime.ledger.batches import Batch
from tools.spans import Attributes, current_span

MOST_FAILURES = 20
"""So many failed applications of a chunk are told one by one; the others are counted."""

_tracer = trace.get_tracer("credit_desk.runtime")


@contextmanager
def driver_span(settings: Settings, batch: Batch, flow_run_id: str) -> Iterator[None]:
    """Be inside the span of the driver that is about to start, under the request for the batch."""
    links = batch_links(settings, batch.batch_id, flow_run_id, batch.trace_id)
    about: Attributes = {
        traces.EXECUTION: batch.starts + 1,
        traces.RUN_URL: links["self"],
        traces.PREFECT_RUN_TYPE: "flow",
        traces.PREFECT_RUN_ID: flow_run_id,
    }
    with (
        spans_of(batch.batch_id),
        current_span(_tracer, traces.BATCH, lambda: about, within=_context(batch.traceparent)),
    ):
        try:
            yield
        except LeaseLostError:
            disown_driver()
            raise


def disown_driver() -> None:
    """Do not send the current span of a driver: another process draws it from the journal."""
    trace.get_current_span().set_attribute(traces.OUTCOME, traces.LEASE_LOST)


@contextmanager
def chunk_span(batch_id: str, traceparent: str, chunk: Mapping[str, Any]) -> Iterator[trace.Span]:
    """Be inside the span of one try of a chunk, under the driver's."""
    if traceparent and not trace.get_current_span().get_span_context().is_valid:
        # A process that the desk has not started: a worker of Dask's.
        telemetry.trace_chunks()
    about = {traces.CHUNK: chunk["number"], traces.CHUNK_ROWS: chunk["rows"]}
    with (
        spans_of(batch_id),
        current_span(
            _tracer, traces.CHUNK_NAME, lambda: about, within=_context(traceparent)
        ) as span,
    ):
        yield span


def tell_failures(span: trace.Span, lines: list[dict[str, Any]]) -> None:
    """Tell in a chunk's span which applications failed: line, code, and the agent or tool."""
    if lines:
        span.set_attribute(traces.CHUNK_FAILED, len(lines))
    for line in lines[:MOST_FAILURES]:
        error = line["error"]
        about = {
            traces.LINE: line["line"],
            traces.ERROR_TYPE: error["code"],
            traces.AGENT_NAME: error["agent"],
            traces.TOOL_NAME: error["tool"],
        }
        span.add_event(traces.EXCEPTION, {name: value for name, value in about.items() if value})


def _context(traceparent: str) -> Context:
    """The span that began a batch, or that drives it, as the parent of what begins here."""
    return propagate.extract({"traceparent": traceparent}, get_current())
