"""Prefect's event feed: what the desk tells it, and how the desk listens to it.

The feed is fast and may lose events. It only says that it is time to look: the journal, or the
list of runs that are due, is the truth.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from prefect.events import emit_event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter

from data.contracts.events import Event, EventType
from flows.runtime.host.wait_span import draw_wait
from flows.runtime.ledger.journal import AppendedEvent

RUN_OFFERED = (
    "prefect.flow-run.Scheduled",
    "prefect.flow-run.Resuming",
    "prefect.flow-run.AwaitingRetry",
)
RUN_CANCELLED = ("prefect.flow-run.Cancelling", "prefect.flow-run.Cancelled")
"""A run that is under way is asked to stop; one that sleeps has ended in Prefect with that."""

_PROGRESS = frozenset(
    {
        EventType.STAGE_STARTED,
        EventType.STAGE_COMPLETED,
        EventType.STAGE_SKIPPED,
        EventType.STAGE_TAKEN_OVER,
        EventType.AGENT_STARTED,
        EventType.AGENT_DELTA,
        EventType.AGENT_COMPLETED,
        EventType.TOOL_CALLED,
        EventType.PROGRESS,
        EventType.STATE_UPDATED,
        EventType.CHECKPOINT_SAVED,
    }
)
"""How a run gets on: of these events of one transaction, the feed gets the last."""
_NAMESPACE = UUID("6f0d1f0e-5a0b-4a4e-9d43-0c6f1a4b7e11")
_PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Signal:
    """One event of the feed, or the news that the subscription is up (without a name)."""

    name: str = ""
    subject_id: str = ""
    """The run that a desk's event is about; the flow run that Prefect's own event is about."""
    pool: str = ""
    """The work pool of that flow run. Empty for a subflow: no worker is offered it."""


def publish(events: Iterable[Event]) -> None:
    """Tell Prefect's event feed what one transaction wrote; this wakes every follower of its runs.

    A wait for a person that the transaction has ended, because the run has ended, is drawn here.

    An event that automations may wait for by name (a person is waited for, reminded, has answered;
    a run has ended) is always told. Of the others the last one of each run is enough: the followers
    read all of them from the journal. An event that the feed loses is read there a second later.
    """
    events = list(events)
    last = {event.run_id: event for event in events}
    for event in events:
        if isinstance(event, AppendedEvent):
            for review in event.given_up:
                draw_wait(event.traceparent, review, event.ts)
        if event.type not in _PROGRESS or event is last[event.run_id]:
            _tell(event)


def _tell(event: Event) -> None:
    """The id follows from the run and the number: Prefect knows an event that is told twice."""
    emit_event(
        event=f"desk.{event.type}",
        resource={
            "prefect.resource.id": f"desk.run.{event.run_id}",
            "prefect.resource.name": event.phase or event.type.value,
            "desk.gate": str(event.meta.get("gate", "")),
        },
        related=[
            {
                "prefect.resource.id": f"prefect.flow-run.{_flow_run_of(event)}",
                "prefect.resource.role": "flow-run",
            }
        ],
        payload=event.model_dump(mode="json"),
        id=uuid5(_NAMESPACE, f"{event.run_id}:{event.id}"),
        occurred=event.ts,
    )


def _flow_run_of(event: Event) -> str:
    return event.flow_run_id if isinstance(event, AppendedEvent) else ""


async def listen(*, names: Sequence[str] = (), prefix: str = "") -> AsyncIterator[Signal]:
    """Listen to the feed for ever: to events of these names, or of this prefix.

    When the subscription is up (again), a signal without a name comes first: earlier events are
    lost, so look at the truth then. Prefect's own reconnection is not used; it
    would not retry the first connection.
    """
    wanted = EventFilter(
        event=EventNameFilter(name=list(names), prefix=[prefix] if prefix else None)
    )
    while True:
        try:
            async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as feed:
                yield Signal()
                async for event in feed:
                    pool = event.resource_in_role.get("work-pool")
                    subject_id = event.resource.id.rpartition(".")[2]
                    yield Signal(event.event, subject_id, (pool and pool.name) or "")
        except Exception as error:
            log.info("the event feed ended (%s); subscribing again", type(error).__name__)
        await asyncio.sleep(_PAUSE_SECONDS)
