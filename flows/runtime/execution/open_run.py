"""`open_run`: from a flow run's id to a run that knows its past, and how each run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
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
    CheckpointError,
    CheckpointNotFoundError,
    CreditDeskError,
    LeaseLostError,
    StopRequestedError,
    UnavailableError,
    WorkflowError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.contracts.runs import Failure, Lineage, RunOptions, RunStatus
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.store import LedgerStorage, Shelf
from flows.runtime.execution.context import Patience, RunContext, in_run
from flows.runtime.execution.desk import Desk, this_desk
from flows.runtime.execution.executor import InlineExecutor, OrchestratedExecutor
from flows.runtime.execution.gatekeeper import (
    PreparedAnswers,
    SuspendingGatekeeper,
    WaitingForReviewError,
)
from flows.runtime.execution.recorder import Entry, LedgerRecord, MemoryRecord
from flows.runtime.graph.workflow import Kind, Workflow
from flows.runtime.host.links import what_about
from flows.runtime.ledger import pinned, run_requests, runs
from flows.runtime.ledger.journal import Draft, publish
from flows.runtime.ledger.runs import Filed, Run
from flows.runtime.prefect_api import cancel

Pin = TypeVar("Pin", bound=Contract)


@dataclass
class Execution:
    """One execution of a run under its lease, as the worker and the flow both see it."""

    run_id: str
    epoch: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the run is cancelled on request, to tell that from the worker's own shutdown."""
    has_opened: bool = False
    """Whether the flow has come so far that it writes its own end, whatever happens."""
    met_outage: bool = False
    """Whether the run could not be opened because something of the desk's was out of reach."""

    @property
    def is_false_start(self) -> bool:
        """Whether it failed before the run was opened, and the desk was in order."""
        return not self.has_opened and not self.met_outage


@dataclass
class Inline:
    """Set this, and the same root flow function runs without Prefect and without a ledger."""

    filed: Filed
    patience: Patience = field(default_factory=Patience)
    answers: PreparedAnswers = field(default_factory=PreparedAnswers)
    record: MemoryRecord = field(default_factory=MemoryRecord)


execution: ContextVar[Execution | None] = ContextVar("execution", default=None)
"""Set by the worker. A stock Prefect worker sets none, and the run takes its lease itself."""
inline: ContextVar[Inline | None] = ContextVar("inline", default=None)


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
    submitted_by: tuple[str, ...] = ()
    """Who asked for this run, and for those that it goes on from."""
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
    fork: str = "",
) -> AsyncIterator[OpenRun[Pin]]:
    """Open the run that this flow run executes, at the start or where it left off.

    What it was asked to do stands in its order; `fork` is the digest of a fork's. An inline run
    has none: there the options count.

    Inside, `current_run()` is this run. On the way out its end is written, once: completed,
    failed (an error that nobody retries), cancelled on request. A suspension, a lost lease and
    the end of the worker write nothing: the run goes on later. So it does, a few times, when
    ledger, result storage or Prefect server are out of reach.
    """
    surroundings = inline.get()
    async with AsyncExitStack() as on_leaving:
        if surroundings is not None:
            asked = options or RunOptions()
            opened = _open_inline(workflow, initial, application_id, asked, surroundings, pin)
        else:
            try:
                opened = await _open_orchestrated(
                    workflow, initial, application_id, fork, pin, on_leaving
                )
            except UnavailableError:
                if (ours := execution.get()) is not None:
                    ours.met_outage = True
                raise
        run = opened.context
        flow_span = trace.get_current_span()
        on_leaving.enter_context(in_run(run))
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
        except StopRequestedError:
            opened.conclusion = await _stop(run)
        except WaitingForReviewError as gate:
            if surroundings is not None:
                raise
            await _complete(run, ended_at=gate.gate)
        except Exception as error:
            raise await _stumbled(run, error) from None
        except asyncio.CancelledError:
            under_way = execution.get()
            task = asyncio.current_task()
            if under_way is None or not under_way.stop.is_set() or task is None:
                raise
            task.uncancel()
            opened.conclusion = await _stop(run)


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
    order: str,
    pin: Pin,
    on_leaving: AsyncExitStack,
) -> OpenRun[Pin]:
    desk = this_desk()
    flow_run = FlowRunContext.get()
    if flow_run is None or flow_run.flow_run is None:
        raise WorkflowError("this flow can be executed as a Prefect flow run, or inline")
    run_id = str(flow_run.flow_run.id)
    carrier: dict[str, str] = {}
    propagate.inject(carrier)

    def enter(connection: sa.Connection) -> tuple[Run, Filed, bytes | None, tuple[str, ...]]:
        row = run_requests.take_up(
            connection, run_id, application_id, order, carrier.get("traceparent", "")
        )
        chosen = row.lineage["pinned"] if row.lineage else None
        kept = runs.pin(connection, run_id, workflow.version, pin, chosen)
        return (
            runs.find(connection, run_id),
            runs.filed(connection, row.application_id),
            kept,
            run_requests.submitters(connection, row),
        )

    row, filed, kept, submitted_by = await desk.ledger.write(enter)
    fork = Lineage.model_validate(row.lineage) if row.lineage else None
    options = RunOptions.model_validate(row.options)
    under_way = execution.get() or await _take_lease(desk, run_id, on_leaving)
    out_of_reach: UnavailableError | None = None
    try:
        shelf = await Shelf.open(desk.settings.checkpoint_storage)
    except UnavailableError as error:
        shelf, out_of_reach = Shelf(LedgerStorage()), error  # said as soon as there is a journal
    decides = fork is None or fork.may_decide
    record = LedgerRecord(desk.ledger, shelf, run_id, under_way.epoch, decides=decides)
    # A what-if bothers nobody: it ends where a person would be asked.
    gatekeeper = (
        SuspendingGatekeeper(
            desk.ledger,
            record,
            run_id,
            row.traceparent,
            desk.settings.hitl_timeout_seconds,
            what_about(desk.settings, run_id, row.application_id),
            lambda: desk.settings.has_api_keys,
        )
        if decides
        else PreparedAnswers()
    )
    run = RunContext(
        workflow,
        run_id,
        initial,
        record=record,
        executor=OrchestratedExecutor(run_id),
        gatekeeper=gatekeeper,
        patience=_with_options(desk.patience, options),
        versions=row.versions,
    )
    under_way.has_opened = True
    try:
        if out_of_reach is not None:
            raise out_of_reach
        decides_by = pin if kept is None else pinned.lifted(type(pin), kept)
        await _remember(desk, shelf, run, fork)
    except LeaseLostError:
        raise
    except Exception as error:
        with suppress(UnavailableError):  # a journal begins with its run's start
            await run.record.write(Entry([_beginning(run, fork)]))
        raise await _stumbled(run, error) from None
    return OpenRun(
        run,
        filed,
        decides_by,
        options,
        overrides=fork.overrides if fork else {},
        submitted_by=submitted_by,
        vault=lambda: desk.ledger.read(runs.filed, row.application_id),
    )


async def _take_lease(desk: Desk, run_id: str, on_leaving: AsyncExitStack) -> Execution:
    """Take the lease ourselves, until we leave: we are executed by a stock Prefect worker.

    Raises LeaseLostError when it is not to be had.
    """
    epoch = await desk.ledger.write(
        runs.claim, run_id, desk.owner, desk.settings.lease_seconds_unattended
    )
    if epoch is None:
        raise LeaseLostError(f"run {run_id} is executed by another worker, or shall stop")

    async def give_back() -> None:
        with suppress(UnavailableError):  # then the lease runs out
            publish(await desk.ledger.write(cancel.give_back, run_id, epoch))

    on_leaving.push_async_callback(give_back)
    return Execution(run_id, epoch)


async def _remember(desk: Desk, shelf: Shelf, run: RunContext[Any], fork: Lineage | None) -> None:
    """Go on from the last checkpoint, the fork's, or the start, and say which.

    Raises ConflictError when what was saved does not mean any more what it meant then.
    """
    epoch = run.record.epoch
    unusable: CheckpointError | None = None
    try:
        await _restore(desk, shelf, run, fork)
    except (CheckpointNotFoundError, CheckpointCorruptError) as error:
        run.start_over(await desk.ledger.read(checkpoints.last_ordinal, run.run_id))
        unusable = error
    if not run.walk.frontier:
        run.walk.enter(run.workflow.start.id, run.state)
    # An execution that was killed before its first word leaves the beginning to be told.
    drafts = [_beginning(run, fork)]
    if epoch > 1:
        again = {"execution": epoch}
        drafts.append(
            run.draft(EventType.RUN_RESUMED, "Run resumed", again, key=f"run.resumed/{epoch}")
        )
    if unusable is not None:
        drafts.append(
            run.draft(
                EventType.CHECKPOINT_MISSING,
                "The last checkpoint cannot be used; starting over",
                {"code": unusable.code, "reason": unusable.message},
                key=f"checkpoint.missing/{epoch}",
            )
        )
    # A fork's thread begins with what it shares; what is there already is written over alike.
    # So does its state: whoever answers at its first gate is held to it.
    shared = {"state": run.state.model_dump(mode="json")} if fork else {}
    await run.record.write(Entry(drafts, messages=run.memory if fork else (), changes=shared))


async def _restore(desk: Desk, shelf: Shelf, run: RunContext[Any], fork: Lineage | None) -> None:
    found, shared = await desk.ledger.read(checkpoints.locate, run.run_id), False
    if found is None and fork is not None and fork.place is not None:
        found = await desk.ledger.read(checkpoints.locate, fork.parent_run_id, *fork.place)
        shared = True
        if found is None:
            raise CheckpointNotFoundError(f"the parent has no checkpoint {fork.forked_at}")
    if found is not None:
        saved = await checkpoints.load(shelf, *found)
        checkpoints.require_usable(saved, run.workflow, type(run.state))
        run.restore(saved, shared=shared)


def _beginning(run: RunContext[Any], fork: Lineage | None) -> Draft:
    meta = {"parent_run_id": fork.parent_run_id, "forked_at": fork.forked_at} if fork else {}
    return run.draft(EventType.RUN_STARTED, "Run started", meta, key="run.started")


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


async def _stop(run: RunContext[Any]) -> State[Any]:
    """Write the end that was asked for; what to tell Prefect of it."""
    await run.record.stop()
    return Cancelled(message="Stopped on request")


def _with_options(patience: Patience, options: RunOptions) -> Patience:
    return replace(patience, fan_out=options.fan_out_policy or patience.fan_out)
