"""One scheduled job in a process of its own: `python -m flows.runtime.worker.job_process`.

The worker starts it with the flow run's id in the environment. It loads the flow that the run's
deployment names, executes the run, and ends with the worker however that ends. What became of
the run is in Prefect; the exit code only says whether this process could tell.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any
from uuid import UUID

from data.contracts.errors import ContractViolationError
from data.settings import settings
from flows.runtime.host import parent_pipe
from flows.runtime.host.environment import apply_prefect_environment

FLOW_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Prefect's own name for it: its loggers read it too."""


def execute(flow_run_id: UUID) -> None:
    """Execute a job to its end, in this process. What fails is told to Prefect, not raised."""
    from flows.runtime.host import telemetry

    chosen = settings()
    telemetry.setup("job", chosen)
    asyncio.run(_execute(flow_run_id))
    telemetry.flush()


async def _execute(flow_run_id: UUID) -> Any:
    from prefect import Flow, get_client
    from prefect.flow_engine import run_flow_async
    from prefect.flows import load_flow_from_entrypoint

    async with get_client() as client:
        flow_run = await client.read_flow_run(flow_run_id)
        if flow_run.deployment_id is None:
            raise ContractViolationError("a job is a run of a deployment, and this one is not")
        deployment = await client.read_deployment(flow_run.deployment_id)
    flow: Flow[..., Any] = load_flow_from_entrypoint(deployment.entrypoint or "")
    return await run_flow_async(
        flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state"
    )


def main() -> None:
    """The process: its run is in the environment, its lifeline in the worker's hand."""
    # At once: given time, Prefect would call the run crashed, and nobody would take it up again.
    parent_pipe.attach(at_once=True)
    flow_run_id = os.environ.get(FLOW_RUN_ID, "")
    if not flow_run_id:
        sys.exit(f"{FLOW_RUN_ID} has to name the flow run")
    apply_prefect_environment(settings())  # before anything imports Prefect
    execute(UUID(flow_run_id))


if __name__ == "__main__":
    main()
