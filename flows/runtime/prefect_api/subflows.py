"""The subflow of a stage, as Prefect shows it: made, told that it runs, told how it ended.

Prefect's own `Flow.__call__` asks the server ten times for each subflow: it registers the flow,
looks for an earlier run, names, labels and reads the run back. A run of the desk has six of them.
Here the same subflow, with the same page in the UI, takes two calls before the stage and one after
it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import FlowCreate, FlowRunCreate, StateCreate, TaskRunCreate
from prefect.client.schemas.objects import StateType
from prefect.states import Running

from data.contracts.errors import UnknownToPrefectError
from flows.runtime.prefect_api.client import FlowRun, PrefectClient, State, at_border

TRACEPARENT_LABEL = "__OTEL_TRACEPARENT"
"""Where Prefect looks for the span that the spans of a run's tasks belong under."""

_flow_ids: dict[tuple[str, str], UUID] = {}
"""The flows that this process has registered, by server and name."""


@at_border
async def begin(
    client: PrefectClient, parent_id: UUID, name: str, visit: int, traceparent: str
) -> FlowRun:
    """Make the subflow of a stage in the state Running, or find it and set it to Running again.

    Which subflow it is follows from stage and visit and not from the order of calls: an execution
    that skips finished stages must not be handed their subflows, and one that repeats a stage goes
    on in the subflow that a lost worker left behind. It has no parameters: Prefect would store
    them.

    Raises UnknownToPrefectError when Prefect's database has lost the parent.
    """
    try:
        return await _begin(client, parent_id, name, visit, traceparent)
    except UnknownToPrefectError:
        _flow_ids.clear()  # the new database does not know them either
        raise


@at_border
async def end(client: PrefectClient, subflow: FlowRun, state: State[Any]) -> None:
    """Tell how a stage ended. By force: Prefect's rules have nothing to decide about it."""
    await client.set_flow_run_state(subflow.id, state, force=True)


@at_border
async def interrupt(client: PrefectClient, subflow: FlowRun, state: State[Any]) -> None:
    """Tell that a stage was not finished, unless another worker goes on with it already.

    A worker that has lost its lease notices late: the subflow may be the other worker's by then.
    """
    found = await client.read_flow_run(subflow.id)
    if found.state_id == subflow.state_id:
        await client.set_flow_run_state(subflow.id, state, force=True)


@at_border
async def _begin(
    client: PrefectClient, parent_id: UUID, name: str, visit: int, traceparent: str
) -> FlowRun:
    flow_name = f"stage-{name}".replace("_", "-")
    # People find a subflow on its parent's page through a task of the parent that stands for it.
    stand_in = TaskRunCreate(
        name=flow_name, flow_run_id=parent_id, task_key=flow_name, dynamic_key=str(visit)
    )
    answer = await client.request(
        "POST", "/task_runs/", json=stand_in.model_dump(mode="json", exclude_unset=True)
    )
    subflow = FlowRunCreate(
        flow_id=await _flow_id(client, flow_name),
        name=f"stage {name}" + (f" {visit}" if visit > 1 else ""),
        parent_task_run_id=answer.json()["id"],
        idempotency_key=f"{parent_id}/{visit}",
        labels={TRACEPARENT_LABEL: traceparent} if traceparent else {},
        state=StateCreate(type=StateType.RUNNING, name="Running"),
    )
    answer = await client.request(
        "POST", "/flow_runs/", json=subflow.model_dump(mode="json", exclude_unset=True)
    )
    made = FlowRun.model_validate(answer.json())
    if answer.status_code != HTTPStatus.CREATED:  # an earlier execution came as far
        await client.set_flow_run_state(made.id, Running(), force=True)
        made = await client.read_flow_run(made.id)
    return made


async def _flow_id(client: PrefectClient, name: str) -> UUID:
    """The id of a stage's flow. Registering a flow again is harmless."""
    key = (str(client.api_url), name)
    if key not in _flow_ids:
        answer = await client.request(
            "POST", "/flows/", json=FlowCreate(name=name).model_dump(mode="json")
        )
        _flow_ids[key] = UUID(answer.json()["id"])
    return _flow_ids[key]
