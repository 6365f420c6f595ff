"""`open_run`: from a flow run's id to a run that knows its past."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import (
    CheckpointCorruptError,
    CheckpointError,
    CheckpointNotFoundError,
    LeaseLostError,
    UnavailableError,
)
from data.contracts.events import EventType
from data.contracts.review import Person
from data.contracts.runs import Lineage, RunOptions
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.context import AgentPolicy, RunContext, in_run
from flows.runtime.execution.desk import Desk, this_desk
from flows.runtime.execution.end_run import end_in_error, end_run
from flows.runtime.execution.execution_span import execution_span
from flows.runtime.execution.executor import InlineExecutor, OrchestratedExecutor
from flows.runtime.execution.flow_run import current_flow_run
from flows.runtime.execution.gatekeeper import PreparedAnswers, SuspendingGatekeeper
from flows.runtime.execution.recorder import Entry, LedgerRecord
from flows.runtime.execution.surroundings import Execution, Inline, OpenRun, Pin, execution, inline
from flows.runtime.execution.taken_over import taken_over
from flows.runtime.graph.workflow import Workflow
from flows.runtime.host.links import about_run
from flows.runtime.ledger import (
    applications,
    canaries,
    cancellations,
    checkpoint_index,
    leases,
    pinned,
    run_requests,
    runs,
)
from flows.runtime.ledger.applications import Filed
from flows.runtime.ledger.canaries import Chosen
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api.feed import publish


@asynccontextmanager
async def open_run(
    workflow: Workflow,
    initial: Contract,
    application_id: str,
    *,
    pin: Pin,
    run_id: str = "",
    options: RunOptions | None = None,
) -> AsyncIterator[OpenRun[Pin]]:
    """Open the run that this flow run carries out, at the start or where it left off.

    What the run was asked to do stands in the ledger. An inline run has no row there: it takes
    `options`. Inside the block, `current_run()` is this run; on the way out `end_run` writes how
    it ended.

    Raises UnavailableError when ledger, checkpoint storage or Prefect server are out of reach: the
    run goes on later, a few times. Raises LeaseLostError when another worker executes the run.
    """
    async with AsyncExitStack() as on_leaving:
        surroundings = inline.get()
        if surroundings is not None:
            asked = options or RunOptions()
            name = run_id or application_id
            opened = _open_inline(workflow, initial, name, asked, surroundings, pin)
        else:
            with _noting_outage():
                opened = await _open_orchestrated(workflow, initial, run_id, pin, on_leaving)
        on_leaving.enter_context(in_run(opened.context))
        async with end_run(opened):
            yield opened


@contextmanager
def _noting_outage() -> Iterator[None]:
    """Tell the worker that a run was not opened because a part of the desk was out of reach."""
    try:
        yield
    except UnavailableError:
        if (under_way := execution.get()) is not None:
            under_way.met_outage = True
        raise


def _open_inline(
    workflow: Workflow,
    initial: Contract,
    run_id: str,
    options: RunOptions,
    surroundings: Inline,
    pin: Pin,
) -> OpenRun[Pin]:
    run = RunContext(
        workflow,
        run_id,
        initial,
        record=surroundings.record,
        executor=InlineExecutor(),
        gatekeeper=surroundings.answers,
        agent_policy=_with_options(surroundings.agent_policy, options),
        versions={"pinned": pinned.digest_of(pin)},
    )
    if surroundings.saved is not None:
        run.restore(surroundings.saved)
    else:
        run.walk.enter(workflow.start.id, run.state)
    return OpenRun(run, surroundings.application, pin, options)


@dataclass(frozen=True)
class _Entered:
    """A run of the ledger that is about to be executed, and what it needs from there."""

    row: Run
    filed: Filed
    pinned: bytes | None
    """What it decides by, when that is not what is in force now."""
    submitted_by: tuple[Person, ...]

    @property
    def fork(self) -> Lineage | None:
        return Lineage.model_validate(self.row.lineage) if self.row.lineage else None

    @property
    def options(self) -> RunOptions:
        return RunOptions.model_validate(self.row.options)


def _enter(
    connection: sa.Connection, flow_run_id: str, run_id: str, workflow_version: str, pin: Contract
) -> _Entered:
    """Find the run that a flow run carries out, and pin what it decides by."""
    row = run_requests.of_flow_run(connection, flow_run_id, run_id)
    if row.lineage:
        chosen = Chosen(row.lineage["pinned"])
    else:
        chosen = canaries.choose(connection, row, workflow_version, pinned.digest_of(pin))
    kept = pinned.pin(connection, row.run_id, workflow_version, pin, chosen.pinned, chosen.named)
    return _Entered(
        runs.find(connection, row.run_id),
        applications.filed(connection, row.application_id),
        kept,
        run_requests.submitters(connection, row),
    )


async def _open_orchestrated(
    workflow: Workflow, initial: Contract, run_id: str, pin: Pin, on_leaving: AsyncExitStack
) -> OpenRun[Pin]:
    desk = this_desk()
    entered = await desk.ledger.write(
        _enter, str(current_flow_run().id), run_id, workflow.version, pin
    )
    under_way = execution.get() or await _take_lease(desk, entered.row, on_leaving)
    on_leaving.enter_context(execution_span(desk.settings, workflow, entered.row, under_way.epoch))
    store = CheckpointStore(desk.settings.checkpoint_storage)
    run = _context(desk, store, workflow, initial, entered, under_way.epoch)
    under_way.has_opened = True
    try:
        decides_by = pin if entered.pinned is None else pinned.migrate(type(pin), entered.pinned)
        await _remember(desk, store, run, entered.fork)
    except LeaseLostError:
        raise
    except Exception as error:
        with suppress(UnavailableError):  # a journal begins with its run's start
            await run.record.write(Entry(lambda: [_beginning(run, entered.fork)]))
        raise await end_in_error(run, error) from None
    return OpenRun(
        run,
        entered.filed,
        decides_by,
        entered.options,
        overrides=entered.fork.overrides if entered.fork else {},
        submitted_by=entered.submitted_by,
        vault=lambda: desk.ledger.read(applications.filed, entered.row.application_id),
    )


def _context(
    desk: Desk,
    store: CheckpointStore,
    workflow: Workflow,
    initial: Contract,
    entered: _Entered,
    epoch: int,
) -> RunContext[Any]:
    """The live context of a run; a what-if asks no person and enters no decision."""
    row, settings = entered.row, desk.settings
    decides = entered.fork is None or entered.fork.may_decide
    record = LedgerRecord(
        desk.ledger,
        store,
        row.run_id,
        epoch,
        decides=decides,
        reply_days=settings.chat_cache_days,
    )
    gatekeeper = (
        SuspendingGatekeeper(
            desk.ledger,
            record,
            row.run_id,
            row.traceparent,
            settings.hitl_timeout_seconds,
            about_run(settings, row.run_id, row.flow_run_id, row.application_id),
            lambda: settings.requires_identity,
        )
        if decides
        else PreparedAnswers()
    )
    return RunContext(
        workflow,
        row.run_id,
        initial,
        record=record,
        executor=OrchestratedExecutor(row.flow_run_id, is_first=epoch == 1),
        gatekeeper=gatekeeper,
        agent_policy=_with_options(desk.agent_policy, entered.options),
        versions=row.versions,
    )


async def _take_lease(desk: Desk, run: Run, on_leaving: AsyncExitStack) -> Execution:
    """Take the lease ourselves, until we leave: we are executed by a stock Prefect worker.

    Raises LeaseLostError when it is not to be had.
    """
    run_id, seconds = run.run_id, desk.settings.lease_seconds_unattended
    epoch = await desk.ledger.write(leases.acquire_lease, run_id, desk.owner, seconds)
    if epoch is None:
        raise LeaseLostError(f"run {run_id} is executed by another worker, or shall stop")

    async def give_back() -> None:
        with suppress(UnavailableError):  # then the lease runs out
            publish(await desk.ledger.write(cancellations.give_back, run_id, epoch))

    on_leaving.push_async_callback(give_back)
    return Execution(run_id, run.flow_run_id, epoch)


async def _remember(
    desk: Desk, store: CheckpointStore, run: RunContext[Any], fork: Lineage | None
) -> None:
    """Go on from the last checkpoint, the fork's, or the start, and say which.

    Raises ConflictError when the saved stages would mean something else on the map of today.
    """
    epoch = run.record.epoch
    unusable: CheckpointError | None = None
    drafts: list[Draft] = []
    try:
        drafts = await _restore(desk, store, run, fork)
    except (CheckpointNotFoundError, CheckpointCorruptError) as error:
        run.start_over(await desk.ledger.read(checkpoint_index.last_ordinal, run.run_id))
        unusable = error
    if not run.walk.frontier:
        run.walk.enter(run.workflow.start.id, run.state)
    # An execution that was killed before its first word leaves the beginning to be told.
    drafts.insert(0, _beginning(run, fork))
    if epoch > 1:
        again = {"execution": epoch, "workflow": run.workflow.verb}
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
    # So does its state: an answer at its first gate is judged by it.
    shared = {"state": run.state.model_dump(mode="json")} if fork else {}
    await run.record.write(
        Entry(lambda: drafts, remarks=run.thread if fork else (), change=lambda: shared)
    )


async def _restore(
    desk: Desk, store: CheckpointStore, run: RunContext[Any], fork: Lineage | None
) -> list[Draft]:
    """Restore the last checkpoint; the events of the stages that the run takes over with it."""
    found = await checkpoints.load_last(desk.ledger, store, run.run_id, fork)
    if found is None:
        return []
    checkpoints.require_usable(found.checkpoint, run.workflow, type(run.state))
    run.restore(found.checkpoint, shared=found.is_shared)
    return taken_over(run) if found.is_taken_over else []


def _beginning(run: RunContext[Any], fork: Lineage | None) -> Draft:
    came = {"parent_run_id": fork.parent_run_id, "forked_at": fork.forked_at} if fork else {}
    meta = {"workflow": run.workflow.verb} | came
    return run.draft(EventType.RUN_STARTED, "Run started", meta, key="run.started")


def _with_options(agent_policy: AgentPolicy, options: RunOptions) -> AgentPolicy:
    return replace(agent_policy, fan_out=options.fan_out_policy or agent_policy.fan_out)
