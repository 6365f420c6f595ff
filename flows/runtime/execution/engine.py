"""Prefect's flow engine, as the desk's own processes call it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow_async
from prefect.settings import get_current_settings

from flows.runtime.prefect_api.client import FlowRun, State, prefect_client
from flows.runtime.prefect_api.deployments import Deployment
from tools.spans import note_failure

log = logging.getLogger(__name__)


def prepared(flow: Flow[..., Any]) -> Flow[..., Any]:
    """The flow as this process executes it many times.

    It persists no result of its own. Without a place for results, the engine would ask the server
    for the default one before each execution, twice, with a client made for it, and block the loop.
    """
    return flow.with_options(result_storage=get_current_settings().results.local_storage_path)


async def execute(
    flow: Flow[..., Any], flow_run: FlowRun, accepted: State[Any], parameters: dict[str, Any]
) -> State[Any] | None:
    """Execute a claimed run to its end, its next gate, or its cancellation.

    The flow is called with `parameters` and not with those that Prefect holds: people can change
    them there.

    Returns the state that the engine left the run in; None when it was suspended or stopped.
    """
    # For a run of a deployment the engine would watch for suspensions from outside, with a thread
    # and a websocket of its own, and block the loop while they come up. The worker watches for all.
    quiet = flow_run.model_copy(update={"deployment_id": None, "state": accepted})
    try:
        left: State[Any] | None = await run_flow_async(
            flow, flow_run=quiet, parameters=parameters, return_type="state"
        )
        return left
    except Pause:
        log.info("run %s waits", flow_run.id)
    except asyncio.CancelledError:
        log.info("run %s was stopped", flow_run.id)
    except (Exception, Abort):
        log.exception("run %s ended in an error of the engine", flow_run.id)
    return None


async def execute_job(flow_run_id: UUID, deployment: Deployment) -> None:
    """Execute the run of a scheduled job to its end, in this process.

    The flow's own errors are told to Prefect and in the current span, not raised.
    """
    async with prefect_client() as client:
        flow_run = await client.read_flow_run(flow_run_id)
    ended: State[Any] | None = await run_flow_async(
        deployment.load(),
        flow_run=flow_run,
        parameters=flow_run.parameters,
        return_type="state",
    )
    if ended is not None and (ended.is_failed() or ended.is_crashed()):
        note_failure("job_failed", f"the job ended as {ended.name}")
