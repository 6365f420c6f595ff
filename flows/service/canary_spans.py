"""The figures of a canary in traces."""

from __future__ import annotations

from opentelemetry import trace

from data import traces
from data.contracts.canary import CanaryReport

_tracer = trace.get_tracer("credit_desk.canary")


def tell(found: CanaryReport) -> None:
    """Tell the figures of a canary as a span with an event for each metric."""
    states = {guard.guard.partition("<")[0].partition(">")[0]: guard for guard in found.guards}
    with _tracer.start_as_current_span(traces.EVALUATE) as span:
        span.set_attribute(traces.CANARY, found.canary_id)
        span.set_attribute(traces.CANARY_CASES, sum(found.cases.values()))
        for one in found.comparisons:
            if one.difference.value is None:
                continue
            guard = states.get(one.metric.value)
            told = {
                traces.EVALUATION_NAME: one.metric.value,
                traces.EVALUATION_SCORE: one.difference.value,
                traces.EVALUATION_EXPLANATION: f"challenger {one.challenger.value},"
                f" champion {one.champion.value}, n {one.difference.n}",
            }
            if guard is not None:
                told[traces.EVALUATION_LABEL] = guard.state.value
            span.add_event(traces.EVALUATION, told)
