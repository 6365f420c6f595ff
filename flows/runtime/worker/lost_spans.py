"""The spans of an execution whose worker was lost, and of a batch's driver, drawn from the journal.

A killed worker has sent no span of what it was executing (`run_spans`). The journal tells what the
execution had begun, when, and under which span: these spans are made here, with the ids that the
events name. Those that had no end get the time at which the loss was noticed, and the mark of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import sqlalchemy as sa
from opentelemetry import propagate, trace
from opentelemetry.context import get_current

from data import traces
from data.contracts.events import Event, EventType
from flows.runtime.host.run_spans import as_span, spans_of
from flows.runtime.ledger import batch_driver, journal
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import RunRef

_MAX_EVENTS = 10_000

_tracer = trace.get_tracer("credit_desk.runtime")


@dataclass(frozen=True)
class LostSpan:
    """A span that the journal tells of."""

    id: str
    parent_id: str
    name: str
    began: Event
    ended: Event | None
    """None for a span that was open when the worker was lost."""


async def draw(ledger: Ledger, run: RunRef) -> None:
    """Send the spans of the execution that held the lease of a run, as far as it had come."""
    if not run.traceparent:
        return
    bodies = await ledger.read(journal.read, run.run_id, limit=_MAX_EVENTS)
    events = [Event.model_validate_json(body) for body in bodies]
    with spans_of(run.run_id):
        _send(run.traceparent, spans_told(events, run.lease_epoch))


def draw_driver(connection: sa.Connection, batch: Batch) -> None:
    """Send the span of a driver that was lost; the spans of its chunks are below it already."""
    began = batch_driver.begin_of(connection, batch)
    if began is not None and batch.traceparent:
        with spans_of(batch.batch_id):
            _send(batch.traceparent, [LostSpan(began.span_id, "", traces.BATCH, began, None)])


def spans_told(events: Sequence[Event], epoch: int) -> list[LostSpan]:
    """The spans that an execution has told of in its journal, the outermost first.

    Empty for an execution that was lost before its first word.
    """
    begins = [n for n, event in enumerate(events) if _begins(event, epoch)]
    if not begins:
        return []
    execution, *later = events[begins[-1] :]
    # The next execution may be under way already.
    told = list(takewhile(lambda event: event.type is not EventType.RUN_RESUMED, later))
    name = f"{traces.INVOKE_WORKFLOW} {execution.meta.get('workflow', '')}".strip()
    spans = [LostSpan(execution.span_id, "", name, execution, None)]
    stage = execution
    for n, event in enumerate(told):
        if event.type is EventType.STAGE_STARTED:
            stage, end = event, _stage_end(event, told[n:])
            spans.append(_span(event, execution, f"stage {event.phase}", end))
        elif event.type is EventType.AGENT_STARTED:
            end = _agent_end(event, told[n:])
            spans.append(_span(event, stage, f"agent {event.meta['agent']}", end))
        elif event.type is EventType.STAGE_COMPLETED:
            spans.append(_span(event, stage, f"checkpoint {event.phase}", event))
    return spans


def _begins(event: Event, epoch: int) -> bool:
    """Whether the events from here on are of this execution. The first one only starts; a later
    one resumes, and may also have to tell the start."""
    if event.type is EventType.RUN_STARTED:
        return epoch == 1
    return event.type is EventType.RUN_RESUMED and event.meta["execution"] == epoch


def _stage_end(stage: Event, later: Sequence[Event]) -> Event | None:
    ends = (event for event in later if event.type is EventType.STAGE_COMPLETED)
    return next((end for end in ends if end.phase == stage.phase), None)


def _agent_end(asked: Event, later: Sequence[Event]) -> Event | None:
    ends = (event for event in later if event.type is EventType.AGENT_COMPLETED)
    return next((end for end in ends if end.meta["agent"] == asked.meta["agent"]), None)


def _span(event: Event, parent: Event, name: str, ended: Event | None) -> LostSpan:
    return LostSpan(event.span_id, parent.span_id, name, event, ended)


def _send(traceparent: str, spans: Sequence[LostSpan]) -> None:
    """Make the spans: all are open inside the first one, so that they are sent together."""
    noticed = time.time_ns()
    request = propagate.extract({"traceparent": traceparent}, get_current())
    made: dict[str, trace.Span] = {}
    for lost in spans:
        parent = made.get(lost.parent_id)
        with as_span(lost.id):
            made[lost.id] = _tracer.start_span(
                lost.name,
                trace.set_span_in_context(parent) if parent else request,
                attributes=_attributes(lost),
                start_time=_nanoseconds(lost.began),
            )
    for lost in reversed(spans):
        made[lost.id].end(_nanoseconds(lost.ended) if lost.ended else noticed)


def _attributes(lost: LostSpan) -> dict[str, str | bool]:
    about: dict[str, str | bool] = {} if lost.ended else {traces.LOST: True}
    if not lost.parent_id and "workflow" in lost.began.meta:  # a batch's driver is no workflow
        about[traces.OPERATION] = traces.INVOKE_WORKFLOW
        about[traces.WORKFLOW_NAME] = lost.began.meta["workflow"]
    return about


def _nanoseconds(event: Event) -> int:
    return int(event.ts.timestamp() * 1e6) * 1_000
