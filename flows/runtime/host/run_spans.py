"""The spans of a run's execution: named after the run, and sent together when it has ended.

A span is exported when it ends, so what it contains would be exported before it. A process that
is killed in between would leave a trace whose spans have no parent. Here the spans of an execution
are held until it ends and are sent from the outside in: of an execution that was killed, nothing
was sent. `lost_spans` then draws it from the journal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from data import traces

MAX_HELD = 1_000
"""So many spans of one execution are held at the most; further ones are sent as they end."""

_RUN = otel.create_key("credit-desk-run")
_chosen: ContextVar[int] = ContextVar("chosen_span_id", default=0)


@contextmanager
def spans_of(run_id: str) -> Iterator[None]:
    """Name the run on every span that begins inside the block, also in its tasks and threads."""
    token = otel.attach(otel.set_value(_RUN, run_id))
    try:
        yield
    finally:
        otel.detach(token)


def run_under_way() -> str:
    """The run, or batch, that the code inside `spans_of` works for; empty outside of it."""
    run_id = otel.get_value(_RUN)
    return run_id if isinstance(run_id, str) else ""


@contextmanager
def as_span(span_id: str) -> Iterator[None]:
    """Give this id to the span that begins inside the block: it was told under it."""
    token = _chosen.set(int(span_id, 16))
    try:
        yield
    finally:
        _chosen.reset(token)


class ChosenSpanIds(RandomIdGenerator):
    """Random ids, but for a span that begins inside `as_span`."""

    def generate_span_id(self) -> int:
        return _chosen.get() or super().generate_span_id()


@dataclass
class _Held:
    """The spans of one run that have ended, while an execution of it goes on here."""

    below: int
    """The span that the execution is below. Others there, as waits, are not part of it."""
    executions: int = 0
    """One; two while the loss of an earlier execution is drawn beside the next one."""
    spans: list[ReadableSpan] = field(default_factory=list)

    def sends_at_once(self, span: ReadableSpan) -> bool:
        return len(self.spans) >= MAX_HELD or _parent_of(span) == self.below


class RunSpans(SpanProcessor):
    """Stands before the processor that exports: names spans after their run, and holds them."""

    def __init__(self, export: SpanProcessor) -> None:
        self._export = export
        self._held: dict[str, _Held] = {}
        """By the run's id."""
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        run_id = otel.get_value(_RUN, parent_context)
        if isinstance(run_id, str):
            span.set_attribute(traces.CONVERSATION_ID, run_id)
        if _is_execution(span):
            with self._lock:
                held = self._held.setdefault(_run_of(span), _Held(_parent_of(span)))
                held.executions += 1
        self._export.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            ready = self._ready(span)
        for ended in ready:
            self._export.on_end(ended)

    def shutdown(self) -> None:
        """What is still held belongs to an execution without an end: it is drawn elsewhere."""
        self._export.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._export.force_flush(timeout_millis)

    def _ready(self, span: ReadableSpan) -> list[ReadableSpan]:
        """The spans that can be sent now that this one has ended, the outermost first."""
        run_id, is_execution = _run_of(span), _is_execution(span)
        # Another process has drawn what this one did under the lease that it lost.
        is_lost = _has(span, traces.OUTCOME, traces.LEASE_LOST)
        held = self._held.get(run_id)
        if held is None or (not is_execution and held.sends_at_once(span)):
            return [] if is_lost else [span]
        held.spans.append(span)
        held.executions -= is_execution
        if held.executions:
            return []
        del self._held[run_id]
        return [] if is_lost else held.spans[::-1]


def _is_execution(span: ReadableSpan) -> bool:
    return _has(span, traces.OPERATION, traces.INVOKE_WORKFLOW)


def _run_of(span: ReadableSpan) -> str:
    return str((span.attributes or {}).get(traces.CONVERSATION_ID, ""))


def _parent_of(span: ReadableSpan) -> int:
    return span.parent.span_id if span.parent else 0


def _has(span: ReadableSpan, name: str, value: str) -> bool:
    return (span.attributes or {}).get(name) == value
