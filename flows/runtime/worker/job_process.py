"""One scheduled job in a process of its own: `python -m flows.runtime.worker.job_process`.

The worker starts it with the flow run's id in the environment, and with the name under which
`prefect.yaml` declares the job. It loads that flow, executes the run, and ends with the worker,
however the worker ends. It takes no code from the Prefect server: an entrypoint that the server
names is never loaded. How the run ended is in Prefect; the exit code only says whether this process
could tell.
"""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import UUID

from opentelemetry import trace

from data import traces
from data.settings import settings
from flows.runtime.host import parent_pipe
from flows.runtime.host.environment import apply_prefect_environment
from tools.spans import current_span

FLOW_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Prefect's own name for it: its loggers read it too."""
DEPLOYMENT = "CREDIT_DESK_JOB"
"""The name of the deployment in `prefect.yaml`."""


def execute(flow_run_id: UUID, name: str) -> None:
    """Execute a job to its end, in this process. What fails is told to Prefect, not raised."""
    from flows.runtime.execution.engine import execute_job  # imports Prefect
    from flows.runtime.host import telemetry
    from flows.runtime.prefect_api.deployments import declared_as

    chosen = settings()
    telemetry.setup("job", chosen)
    about = {traces.PREFECT_RUN_TYPE: "flow", traces.PREFECT_RUN_ID: str(flow_run_id)}
    with current_span(trace.get_tracer("credit_desk.runtime"), f"job {name}", lambda: about):
        asyncio.run(execute_job(flow_run_id, declared_as(chosen.prefect_yaml, name)))
    telemetry.flush()


def main() -> None:
    """Execute the job that the environment names, until its worker ends."""
    # At once: given time, Prefect would call the run crashed, and no worker would take it again.
    parent_pipe.exit_with_parent(at_once=True)
    flow_run_id, name = os.environ.get(FLOW_RUN_ID, ""), os.environ.get(DEPLOYMENT, "")
    if not flow_run_id or not name:
        sys.exit(f"{FLOW_RUN_ID} has to name the flow run, and {DEPLOYMENT} its deployment")
    apply_prefect_environment(settings())  # before anything imports Prefect
    execute(UUID(flow_run_id), name)


if __name__ == "__main__":
    main()
