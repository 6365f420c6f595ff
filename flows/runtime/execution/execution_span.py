"""The span of an execution, under which everything hangs that it does.

Prefect would open one for the flow run. It would hang each execution under the one before, leave
that of a suspended run open for ever, and know no attribute before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace

from data import traces
from data.settings import Settings
from flows.runtime.graph.workflow import Workflow
from flows.runtime.host.links import run_links
from flows.runtime.host.run_spans import spans_of
from flows.runtime.ledger.runs import Run
from tools.spans import Attributes, current_span

_tracer = trace.get_tracer("credit_desk.runtime")


@contextmanager
def execution_span(settings: Settings, workflow: Workflow, run: Run, epoch: int) -> Iterator[None]:
    """Be inside the span of this execution, under the request that began the run."""
    name = f"{traces.INVOKE_WORKFLOW} {workflow.verb}"
    parent = propagate.extract({"traceparent": run.traceparent}) if run.traceparent else None
    about = _attributes(settings, workflow, run, epoch)
    with spans_of(run.run_id), current_span(_tracer, name, lambda: about, within=parent):
        yield


def _attributes(settings: Settings, workflow: Workflow, run: Run, epoch: int) -> Attributes:
    return {
        traces.OPERATION: traces.INVOKE_WORKFLOW,
        traces.WORKFLOW_NAME: workflow.verb,
        traces.CONVERSATION_ID: run.run_id,
        traces.EXECUTION: epoch,
        traces.RUN_URL: run_links(settings, run.run_id, run.flow_run_id)["run"],
        traces.PREFECT_RUN_TYPE: "flow",
        traces.PREFECT_RUN_ID: run.flow_run_id,
    }
