"""The span of a wait for a person, drawn when it is over: no process was there for it."""

from __future__ import annotations

from datetime import datetime

from opentelemetry import propagate, trace
from opentelemetry.context import get_current

from data import traces
from data.contracts.review import Review, ReviewStatus
from flows.runtime.host.run_spans import spans_of

_tracer = trace.get_tracer("credit_desk.runtime")


def draw_wait(traceparent: str, review: Review, ended_at: datetime) -> None:
    """Send the span of a request that is over, under the request that began the run.

    How it was over is in the span: answered, expired, or closed because the run has ended.
    """
    with spans_of(review.run_id):
        span = _tracer.start_span(
            f"hitl_wait {review.gate}",
            context=propagate.extract({"traceparent": traceparent}, get_current()),
            start_time=int(review.opened_at.timestamp() * 1e9),
            attributes={
                traces.GATE: review.gate,
                traces.ROLE: review.request.role.value,
                traces.OUTCOME: _outcome(review),
            },
        )
        span.end(int(ended_at.timestamp() * 1e9))


def _outcome(review: Review) -> str:
    return (ReviewStatus.CLOSED if review.status is ReviewStatus.OPEN else review.status).value
