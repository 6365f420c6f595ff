"""`end_run`: how each run ends, written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry import trace
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.states import Cancelled

from data import traces
from data.contracts.errors import (
    CreditDeskError,
    LeaseLostError,
    StopRequestedError,
    UnavailableError,
    WorkflowError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.contracts.runs import Failure, RunStatus
from flows.runtime.execution.context import RunContext
from flows.runtime.execution.gatekeeper import WaitingForReviewError
from flows.runtime.execution.recorder import Entry
from flows.runtime.execution.surroundings import OpenRun, execution, inline
from flows.runtime.graph.workflow import Kind
from flows.runtime.ledger.journal import Draft


@asynccontextmanager
async def end_run(opened: OpenRun[Any]) -> AsyncIterator[None]:
    """Write how a run ends, once: completed, failed (when no retry follows), cancelled on request.

    A suspension, a lost lease and the end of the worker write nothing: the run goes on later.
    """
    run, span = opened.context, trace.get_current_span()
    try:
        yield
        await _complete(run)
    except Pause:
        span.set_attribute(traces.OUTCOME, traces.SUSPENDED)
        raise
    except LeaseLostError:
        span.set_attribute(traces.OUTCOME, traces.LEASE_LOST)
        raise
    except StopRequestedError:
        span.set_attribute(traces.OUTCOME, traces.STOPPED)
        opened.conclusion = await _stop(run)
    except WaitingForReviewError as gate:
        if inline.get() is not None:
            raise
        await _complete(run, ended_at=gate.gate)
    except Exception as error:
        raise await end_in_error(run, error) from None
    except asyncio.CancelledError:
        if not _uncancelled():
            if (under_way := execution.get()) is not None and under_way.has_lost_lease:
                span.set_attribute(traces.OUTCOME, traces.LEASE_LOST)
            raise
        span.set_attribute(traces.OUTCOME, traces.STOPPED)
        opened.conclusion = await _stop(run)


def _uncancelled() -> bool:
    """Whether this task was cancelled because the run is to stop, and may end in good order."""
    under_way, task = execution.get(), asyncio.current_task()
    if under_way is None or task is None or not under_way.stop.is_set():
        return False
    task.uncancel()
    return True


async def _complete(run: RunContext[Any], ended_at: str = "") -> None:
    """Write the good end; of a what-if, perhaps at the gate where a person would be asked."""
    if not ended_at:
        for node in run.workflow.nodes:
            if node.kind is Kind.END and node.id not in run.walk.visits:
                await run.enter(node.id)
    for node in run.workflow.nodes:
        run.progress.skip(node.id)
    message = f"Ends here: a person would be asked at '{ended_at}'" if ended_at else "Run completed"
    meta = {"ended_at": ended_at} if ended_at else {}

    def tell() -> list[Draft]:
        return [run.draft(EventType.RUN_COMPLETED, message, meta, key="run.completed", phase="")]

    await run.record.write(
        Entry(tell, change=lambda: {"status": RunStatus.COMPLETED, "error": None})
    )


async def end_in_error(run: RunContext[Any], error: Exception) -> CreditDeskError:
    """Schedule a retry after an outage, let the run fail after any other error; what to raise."""
    known = as_desk_error(error, WorkflowError)
    if not (isinstance(known, UnavailableError) and await _schedule_retry(run, known)):
        await _fail(run, known)
    return known


async def _schedule_retry(run: RunContext[Any], error: UnavailableError) -> bool:
    return await run.record.schedule_retry(
        run.draft(
            EventType.ERROR,
            f"Interrupted: {error.message}; goes on from the last checkpoint",
            {"code": error.code, "execution": run.record.epoch},
            key=f"interrupted/{run.record.epoch}",
        )
    )


async def _fail(run: RunContext[Any], error: CreditDeskError) -> None:
    failure = Failure(
        code=error.code,
        message=error.message,
        stage=error.stage or run.phase,
        agent=error.agent or "",
        tool=error.tool or "",
    ).model_dump(mode="json")
    drafts = [
        run.draft(EventType.ERROR, str(error), failure, key=f"error/{run.record.epoch}"),
        run.draft(
            EventType.RUN_FAILED, "Run failed", failure, key=f"run.failed/{run.record.epoch}"
        ),
    ]
    failed = {"status": RunStatus.FAILED, "error": failure}
    await run.record.write(Entry(lambda: drafts, change=lambda: failed))


async def _stop(run: RunContext[Any]) -> State[Any]:
    """Write the end that was asked for; what to tell Prefect of it."""
    await run.record.stop()
    return Cancelled(message="Stopped on request")
