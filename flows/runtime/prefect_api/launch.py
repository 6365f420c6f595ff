"""From a run of the ledger to a Prefect flow run that a worker will find.

The ledger is written first, and Prefect's database is disposable: the sweep makes another flow run
for every live run whose flow run Prefect does not know any more. The idempotency key is
the run's id, so two processes that launch a run at once find the same flow run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from flows.runtime.ledger import batches, runs
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.runs import RunRef
from flows.runtime.prefect_api import states, subflows
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
    flow_run = await client.create_flow_run_from_deployment(
        deployment_id,
        parameters=parameters_of(run),
        idempotency_key=run.run_id,
        name=f"{WHAT_IF} {run.application_id}" if is_what_if else None,
        tags=[WHAT_IF] if is_what_if else [],
        labels=_labels(run.traceparent),
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
    flow_run = await client.create_flow_run_from_deployment(
        deployment_id,
        parameters={"batch_id": batch.batch_id},
        # A driver that ended before it began has changed nothing but the mapping.
        idempotency_key=f"{batch.batch_id}/{batch.last_event_id}/{batch.flow_run_id}",
        name=batch_name(batch.batch_id),
        labels=_labels(batch.traceparent),
    )
    flow_run_id, seen = str(flow_run.id), batch.flow_run_id
    await ledger.write(batches.map_to_flow_run, batch.batch_id, flow_run_id, seen=seen)


def batch_name(batch_id: str) -> str:
    """What Prefect calls each flow run that was made to drive a batch."""
    return f"batch {batch_id}"


def parameters_of(run: RunRef) -> dict[str, Any]:
    """What the root flow is called with: ids. What the run was asked to do is in the ledger."""
    return {"application_id": run.application_id, "run_id": run.run_id}


def without_flow_run(connection: sa.Connection) -> list[RunRef]:
    """The idle runs that no process has told Prefect of."""
    # The process that entered a run makes its flow run itself: give it a moment.
    entered_before = moment(-_LAUNCHING_SECONDS)
    return [run for run in runs.not_mapped(connection) if run.created_at < entered_before]


@at_border
async def launch_missing(client: PrefectClient, ledger: Ledger, deployment_id: UUID) -> None:
    """Make a flow run for each idle run that has none."""
    await _launch_all(client, ledger, deployment_id, await ledger.read(without_flow_run))


@at_border
async def relaunch_unknown(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, idle: Iterable[RunRef]
) -> None:
    """Make a flow run for each of these live runs whose flow run Prefect has lost."""
    mapped = {run.flow_run_id: run for run in idle}
    lost = [mapped[flow_run_id] for flow_run_id in await states.unknown(client, mapped)]
    await _launch_all(client, ledger, deployment_id, lost)


async def _launch_all(
    client: PrefectClient, ledger: Ledger, deployment_id: UUID, missing: Iterable[RunRef]
) -> None:
    for run in missing:
        with states.isolate_errors(run.run_id):
            await launch(client, ledger, deployment_id, run)
            log.warning("run %s had no flow run in Prefect; made one", run.run_id)


def _labels(trace: str) -> dict[str, Any]:
    """What lets the spans of a flow run join the trace of the request."""
    return {subflows.TRACEPARENT_LABEL: trace} if trace else {}
