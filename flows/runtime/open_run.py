"""`open_run`: from a flow run's id to a run that knows its past, and how each run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from opentelemetry import propagate, trace
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Cancelled

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CreditDeskError,
    LeaseLostError,
    UnavailableError,
    WorkflowError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.contracts.runs import Failure, Lineage, RunOptions, RunStatus
from flows.runtime import checkpoints, runs
from flows.runtime.context import Patience, RunContext, in_run
from flows.runtime.desk import Desk, this_desk
from flows.runtime.executor import InlineExecutor, OrchestratedExecutor
from flows.runtime.gate import PreparedAnswers, SuspendingGatekeeper, WaitingForReviewError
from flows.runtime.graph import Kind, Workflow
from flows.runtime.links import what_about
from flows.runtime.record import Entry, LedgerRecord, MemoryRecord
from flows.runtime.runs import Filed, Run
from flows.runtime.storage import LedgerStorage, Shelf

Pin = TypeVar("Pin", bound=Contract)


@dataclass(frozen=True)
class Claim:
    """The worker's word that it holds the lease of the run it is about to execute."""

    run_id: str
    epoch: int


@dataclass
class Inline:
    """Set this, and the same root flow function runs without Prefect and without a ledger."""

    filed: Filed
    patience: Patience = field(default_factory=Patience)
    answers: PreparedAnswers = field(default_factory=PreparedAnswers)
    record: MemoryRecord = field(default_factory=MemoryRecord)


claimed: ContextVar[Claim | None] = ContextVar("claimed", default=None)
inline: ContextVar[Inline | None] = ContextVar("inline", default=None)
stop_requested: ContextVar[asyncio.Event | None] = ContextVar("stop_requested", default=None)
"""Set by the worker while it cancels a run on request, to tell that from its own shutdown."""


@dataclass
class OpenRun(Generic[Pin]):
    """A run that is being executed, with what it was asked to do."""

    context: RunContext[Any]
    filed: Filed
    """The application as the vault holds it."""
    pinned: Pin
    """What the run decides by, fixed when it was first executed."""
    options: RunOptions
    overrides: dict[str, Any] = field(default_factory=dict)
    """What a fork was asked to change."""
    submitted_by: str = ""
    conclusion: State[Any] | None = None
    """What the root flow returns to Prefect: a state of its own if it was stopped on request."""
    vault: Callable[[], Awaitable[Filed]] | None = None

    async def reread(self) -> None:
        """Look into the vault again: an answer that came at once has put nobody to sleep, and
        papers may lie there that this execution has not seen."""
        if self.vault is not None:
            self.filed = await self.vault()


@asynccontextmanager
async def open_run(
    workflow: Workflow,
    initial: Contract,
    application_id: str,
    *,
    pin: Pin,
    options: RunOptions | None = None,
    fork: Lineage | None = None,
) -> AsyncIterator[OpenRun[Pin]]:
    """Open the run that this flow run executes, at the start or where it left off.

    Inside, `current_run()` is this run. On the way out its end is written, once: completed,
    failed (an error that nobody retries), cancelled on request. A suspension, a lost lease and
    the end of the worker write nothing: the run goes on later. So it does, a few times, when
    ledger, result storage or Prefect server are out of reach.
    """
    options = options or RunOptions()
    surroundings = inline.get()
    if surroundings is not None:
        opened = _open_inline(workflow, initial, application_id, options, surroundings, pin)
    else:
        opened = await _open_orchestrated(workflow, initial, application_id, options, fork, pin)
    run = opened.context
    flow_span = trace.get_current_span()
    with in_run(run):
        try:
            yield opened
            await _complete(run)
        except Pause:
            # Prefect leaves the span of a suspended flow open for ever, and so unexported.
            flow_span.set_attribute("desk.outcome", "suspended")
            flow_span.end()
            raise
        except LeaseLostError:
            raise
        except WaitingForReviewError as gate:
            if surroundings is not None:
                raise
            await _complete(run, ended_at=gate.gate)
        except Exception as error:
            raise await _stumbled(run, error) from None
        except asyncio.CancelledError:
            stop = stop_requested.get()
            task = asyncio.current_task()
            if stop is None or not stop.is_set() or task is None:
                raise
            task.uncancel()
            await _cancel(run)
            opened.conclusion = Cancelled(message="Stopped on request")


def _open_inline(
    workflow: Workflow,
    initial: Contract,
    application_id: str,
    options: RunOptions,
    surroundings: Inline,
    pin: Pin,
) -> OpenRun[Pin]:
    run = RunContext(
        workflow,
        application_id,
        initial,
        record=surroundings.record,
        executor=InlineExecutor(),
        gatekeeper=surroundings.answers,
        patience=_with_options(surroundings.patience, options),
        versions={"pinned": sha256_of(pin)},
    )
    run.walk.enter(workflow.start.id, run.state)
    return OpenRun(run, surroundings.filed, pin, options)


async def _open_orchestrated(
    workflow: Workflow,
    initial: Contract,
    application_id: str,
    options: RunOptions,
    fork: Lineage | None,
    pin: Pin,
) -> OpenRun[Pin]:
    desk = this_desk()
    flow_run = FlowRunContext.get()
    if flow_run is None or flow_run.flow_run is None:
        raise WorkflowError("this flow can be executed as a Prefect flow run, or inline")
    run_id = str(flow_run.flow_run.id)
    carrier: dict[str, str] = {}
    propagate.inject(carrier)

    def enter(connection: sa.Connection) -> tuple[Run, Filed, bytes | None]:
        row = runs.register(
            connection,
            run_id,
            f"fork:{run_id}" if fork else f"application:{application_id}",
            application_id=application_id,
            options=options.model_dump(mode="json"),
            lineage=fork.model_dump(mode="json") if fork else None,
            traceparent=carrier.get("traceparent", ""),
        )
        kept = runs.pin(
            connection, row.run_id, workflow.version, pin, fork.pinned if fork else None
        )
        return runs.find(connection, row.run_id), runs.filed(connection, application_id), kept

    row, filed, kept = await desk.ledger.write(enter)
    pinned = pin if kept is None else type(pin).model_validate_json(kept)
    claim = claimed.get() or await _claim(desk, run_id)
    out_of_reach: UnavailableError | None = None
    try:
        shelf = await Shelf.open(desk.settings.checkpoint_storage)
    except UnavailableError as error:
        shelf, out_of_reach = Shelf(LedgerStorage()), error  # said as soon as there is a journal
    decides = fork is None or fork.may_decide
    record = LedgerRecord(desk.ledger, shelf, run_id, claim.epoch, decides=decides)
    # A what-if bothers nobody: it ends where a person would be asked.
    gatekeeper = (
        SuspendingGatekeeper(
            desk.ledger,
            record,
            run_id,
            row.traceparent,
            desk.settings.hitl_timeout_seconds,
            what_about(desk.settings, run_id, application_id),
        )
        if decides
        else PreparedAnswers()
    )
    run = RunContext(
        workflow,
        run_id,
        initial,
        record=record,
        executor=OrchestratedExecutor(),
        gatekeeper=gatekeeper,
        patience=_with_options(desk.patience, options),
        versions=row.versions,
    )
    try:
        if out_of_reach is not None:
            raise out_of_reach
        await _remember(desk, shelf, run, fork)
    except LeaseLostError:
        raise
    except Exception as error:
        raise await _stumbled(run, error) from None
    return OpenRun(
        run,
        filed,
        pinned,
        options,
        overrides=fork.overrides if fork else {},
        submitted_by=row.submitted_by,
        vault=lambda: desk.ledger.read(runs.filed, application_id),
    )


async def _claim(desk: Desk, run_id: str) -> Claim:
    """Take the lease ourselves: we are executed by a stock Prefect worker."""
    epoch = await desk.ledger.write(
        runs.claim, run_id, desk.owner, desk.settings.lease_seconds_unattended
    )
    if epoch is None:
        raise LeaseLostError(f"run {run_id} is executed by another worker")
    return Claim(run_id, epoch)


async def _remember(desk: Desk, shelf: Shelf, run: RunContext[Any], fork: Lineage | None) -> None:
    """Go on from the last checkpoint, the fork's, or the start, and say which."""
    epoch = run.record.epoch
    try:
        found = await desk.ledger.read(checkpoints.locate, run.run_id)
        if found is not None:
            saved = await checkpoints.load(shelf, *found)
            checkpoints.require_same_map(saved, run.workflow)
            run.restore(saved)
        elif fork is not None and fork.place is not None:
            shared = await desk.ledger.read(checkpoints.locate, fork.parent_run_id, *fork.place)
            if shared is None:
                raise CheckpointNotFoundError(f"the parent has no checkpoint {fork.forked_at}")
            run.restore(await checkpoints.load(shelf, *shared), shared=True)
    except (CheckpointNotFoundError, CheckpointCorruptError) as error:
        run.start_over(await desk.ledger.read(checkpoints.last_ordinal, run.run_id))
        await run.emit(
            EventType.CHECKPOINT_MISSING,
            "The last checkpoint cannot be used; starting over",
            {"code": error.code, "reason": error.message},
            key=f"checkpoint.missing/{epoch}",
        )
    if not run.walk.frontier:
        run.walk.enter(run.workflow.start.id, run.state)
    meta = {"parent_run_id": fork.parent_run_id, "forked_at": fork.forked_at} if fork else {}
    # An execution that was killed before its first word leaves the beginning to be told.
    drafts = [run.draft(EventType.RUN_STARTED, "Run started", meta, key="run.started")]
    if epoch > 1:
        again = {"execution": epoch}
        drafts.append(
            run.draft(EventType.RUN_RESUMED, "Run resumed", again, key=f"run.resumed/{epoch}")
        )
    await run.record.write(Entry(drafts))


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
    draft = run.draft(EventType.RUN_COMPLETED, message, meta, key="run.completed", phase="")
    await run.record.write(Entry([draft], changes={"status": RunStatus.COMPLETED, "error": None}))


async def _stumbled(run: RunContext[Any], error: Exception) -> CreditDeskError:
    """Put a run off that met trouble of the desk's own, let any other fail; the error to raise."""
    known = as_desk_error(error, WorkflowError)
    if not (isinstance(known, UnavailableError) and await _put_off(run, known)):
        await _fail(run, known)
    return known


async def _put_off(run: RunContext[Any], error: UnavailableError) -> bool:
    return await run.record.put_off(
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
    await run.record.write(Entry(drafts, changes={"status": RunStatus.FAILED, "error": failure}))


async def _cancel(run: RunContext[Any]) -> None:
    await run.record.write(
        Entry(
            [run.draft(EventType.RUN_CANCELLED, "Run cancelled", key="run.cancelled")],
            changes={"status": RunStatus.CANCELLED},
        )
    )


def _with_options(patience: Patience, options: RunOptions) -> Patience:
    return replace(patience, fan_out=options.fan_out_policy or patience.fan_out)
