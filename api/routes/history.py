"""The history of a run: its checkpoints, their differences, and the messages in it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import DeskDep, RunId, as_run_id
from api.json_route import JsonRoute
from api.problems import answers
from data.contracts.runs import CheckpointEntry, Message
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.service.comparison import Comparison

router = APIRouter(prefix="/runs", tags=["history"], route_class=JsonRoute)

Name = Annotated[
    str, Query(max_length=80, description="`label` for its last version, or `label/version`.")
]


@router.get("/{run_id}/checkpoints", responses=answers(404, 503))
async def list_checkpoints(run_id: RunId, desk: DeskDep) -> tuple[CheckpointEntry, ...]:
    """Every checkpoint of a run, oldest first."""
    return await desk.checkpoints(run_id)


@router.get("/{run_id}/checkpoints/{label}", responses=answers(404, 409, 422, 503))
@router.get("/{run_id}/checkpoints/{label}/{version}", responses=answers(404, 409, 422, 503))
async def read_checkpoint(
    run_id: RunId, label: str, desk: DeskDep, version: int | None = None
) -> Checkpoint:
    """One checkpoint: state, memory, outputs and versions. By default the last of its label."""
    return await desk.checkpoint(run_id, label if version is None else f"{label}/{version}")


@router.get("/{run_id}/diff", responses=answers(404, 409, 422, 503))
async def diff_checkpoints(
    run_id: RunId,
    desk: DeskDep,
    before: Annotated[Name, Query(alias="from")],
    after: Annotated[Name, Query(alias="to")],
    other: Annotated[
        str | None, Query(max_length=64, description="The run of `to`, if it is another run.")
    ] = None,
) -> Comparison:
    """The differences between two checkpoints: of one run, or of a run and another run."""
    return await desk.diff(run_id, before, after, as_run_id(other) if other else None)


@router.get("/{run_id}/memory", responses=answers(404, 409, 422, 503))
async def read_memory(
    run_id: RunId,
    desk: DeskDep,
    agent: Annotated[str | None, Query(max_length=64)] = None,
    stage: Annotated[str | None, Query(max_length=64)] = None,
    text: Annotated[str | None, Query(max_length=200)] = None,
    checkpoint: Annotated[str | None, Query(max_length=80)] = None,
) -> tuple[Message, ...]:
    """The messages of agents and people: now, or at a checkpoint."""
    return await desk.memory(run_id, agent, stage, text, checkpoint)
