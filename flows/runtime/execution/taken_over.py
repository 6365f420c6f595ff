"""What a run tells of the stages that another run, or a batch, has finished for it."""

from __future__ import annotations

from typing import Any

from data.contracts.events import EventType
from flows.runtime.execution.context import RunContext
from flows.runtime.ledger.journal import Draft


def taken_over(run: RunContext[Any]) -> list[Draft]:
    """One event for each stage of a restored checkpoint, finished or skipped, in the map's order.

    The journal of a fork has nothing of its parent's. With these events, all who read it know which
    stages the run does not execute.
    """
    finished = {key.partition("#")[0] for key in run.outputs}
    drafts = []
    for stage in run.workflow.stages:
        credited = [node.id for node in run.workflow.nodes_of(stage) if node.id in run.progress]
        visited = [node_id for node_id in credited if node_id in run.walk.visits]
        if stage in finished:
            drafts.append(_finished(run, stage, visited))
        elif credited and not visited:
            drafts.append(run.skipped(stage))
    return drafts


def _finished(run: RunContext[Any], stage: str, nodes: list[str]) -> Draft:
    return run.draft(
        EventType.STAGE_TAKEN_OVER,
        f"Took over {stage.replace('_', ' ')}",
        {"nodes": nodes},
        key=f"taken_over/{stage}",
        phase=stage,
    )
