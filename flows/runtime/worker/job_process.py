"""One scheduled job in a process of its own: `python -m flows.runtime.worker.job_process`.

The worker starts it with the flow run's id in the environment. It loads the flow that the run's
deployment names, executes the run, and ends with the worker however that ends. What became of
the run is in Prefect; the exit code only says whether this process could tell.
"""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import UUID

from data.settings import settings
from flows.runtime.host import parent_pipe
from flows.runtime.host.environment import apply_prefect_environment

FLOW_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Prefect's own name for it: its loggers read it too."""


def execute(flow_run_id: UUID) -> None:
    """Execute a job to its end, in this process. What fails is told to Prefect, not raised."""
    from flows.runtime.execution.engine import execute_job  # imports Prefect
    from flows.runtime.host import telemetry

    telemetry.setup("job", settings())
    asyncio.run(execute_job(flow_run_id))
    telemetry.flush()


def main() -> None:
    """The process: its run is in the environment, its lifeline in the worker's hand."""
    # At once: given time, Prefect would call the run crashed, and nobody would take it up again.
    parent_pipe.exit_with_parent(at_once=True)
    flow_run_id = os.environ.get(FLOW_RUN_ID, "")
    if not flow_run_id:
        sys.exit(f"{FLOW_RUN_ID} has to name the flow run")
    apply_prefect_environment(settings())  # before anything imports Prefect
    execute(UUID(flow_run_id))


if __name__ == "__main__":
    main()
