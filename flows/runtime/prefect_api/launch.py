"""From a run of the ledger to a Prefect flow run that a worker will find.

The ledger is written first, and Prefect's database is disposable: the sweep makes another flow run
for every live run whose flow run Prefect does not know any more. The idempotency key is
the run's id, so two processes that launch a run at once find the same flow run.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from flows.runtime.ledger import batches, runs
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.runs import RunRef
from flows.runtime.prefect_api import states
from flows.runtime.prefect_api.client import PrefectClient, at_border

WHAT_IF = "what-if"
"""The tag, and the first word of the name, of a run that decides nothing."""

_LAUNCHING_SECONDS = 3.0

log = logging.getLogger(__name__)


@at_border
async def launch(client: PrefectClient, ledger: Ledger, deployment_id: UUID, run: RunRef) -> None:
    """Make the flow run of a run, or find it, and map the run to it.

    Raises UnavailableError when the Prefect server does not answer, UnknownToPrefectError when no
    worker has registered the deployment (again) yet.
    """
    is_what_if = run.lineage is not None and not run.lineage["may_decide"]
    trace = run.traceparent
    flow_run = await client.create_flow_run_from_deployment(
        deployment_id,
        parameters=parameters_of(run),
        idempotency_key=run.run_id,
        name=f"{WHAT_IF} {run.application_id}" if is_what_if else None,
        tags=[WHAT_IF] if is_what_if else [],
        labels={"__OTEL_TRACEPARENT": trace, "desk.traceparent": trace} if trace else {},
    )
    flow_run_id = str(flow_run.id)
    if flow_run_id != run.flow_run_id:
        await ledger.write(runs.map_to_flow_run, run.run_id, flow_run_id, seen=run.flow_run_id)


@at_border
async def launch_batch(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, batch: Batch
) -> None:
    """Make a flow run that drives a batch, or find it, and map the batch to it.

    Two processes that do this at once find the same one. Raises as `launch` does.
    """
    trace = batch.traceparent
    flow_run = await client.create_flow_run_from_deployment(
        deployment_id,
        parameters={"batch_id": batch.batch_id},
        idempotency_key=f"{batch.batch_id}/{batch.starts}/{batch.last_event_id}",
        labels={"__OTEL_TRACEPARENT": trace, "desk.traceparent": trace} if trace else {},
    )
    flow_run_id, seen = str(flow_run.id), batch.flow_run_id
    await ledger.write(batches.map_to_flow_run, batch.batch_id, flow_run_id, seen=seen)


def parameters_of(run: RunRef) -> dict[str, Any]:
    """What the root flow is called with: ids. What the run was asked to do is in the ledger."""
    return {"application_id": run.application_id, "run_id": run.run_id}


@at_border
async def relaunch_unknown(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, idle: list[RunRef]
) -> None:
    """Make a flow run for each of these live runs that has none, or one that Prefect lost."""
    mapped = {run.flow_run_id: run for run in idle if run.flow_run_id}
    lost = [mapped[flow_run_id] for flow_run_id in await states.unknown(client, mapped)]
    # The process that entered a run makes its flow run itself: give it a moment.
    entered = moment(-_LAUNCHING_SECONDS)
    missing = [run for run in idle if not run.flow_run_id and run.created_at < entered]
    for run in missing + lost:
        with states.isolate_errors(run.run_id):
            await launch(client, ledger, deployment_id, run)
            log.warning("run %s had no flow run in Prefect; made one", run.run_id)
