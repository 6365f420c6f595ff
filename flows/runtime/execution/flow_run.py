"""The Prefect flow run that the code is executed in, and how it is put to sleep under a form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Suspended
from prefect.utilities.engine import propose_state

from data.contracts.errors import StopRequestedError, WorkflowError
from data.contracts.review import Review
from flows.runtime.prefect_api import states
from flows.runtime.prefect_api.client import FlowRun, State, prefect_client


def current_flow_run() -> FlowRun:
    """The flow run under way. Raises WorkflowError where the code runs in none."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise WorkflowError("no Prefect flow run is under way here")
    return context.flow_run


@contextmanager
def in_subflow(subflow: FlowRun) -> Iterator[None]:
    """Inside the block, the subflow is the flow run under way: events are about it.

    Raises WorkflowError where the code runs in no flow run.
    """
    context = FlowRunContext.get()
    if context is None:
        raise WorkflowError("no Prefect flow run is under way here")
    with context.model_copy(update={"flow_run": subflow, "parameters": {}}):
        yield


async def suspend(pause_key: str, form: type[RunInput]) -> NoReturn:
    """Suspend the root flow run under a form.

    Raises Pause, Prefect's way out of a flow; StopRequestedError when the run was cancelled
    meanwhile.
    """
    flow_run_id = current_flow_run().id
    async with prefect_client() as client:
        asleep: State[Any] = Suspended(timeout_seconds=None, pause_key=pause_key)
        keyset = keyset_from_paused_state(asleep)
        asleep.state_details.run_input_keyset = {str(part): name for part, name in keyset.items()}
        accepted = await propose_state(client, asleep, flow_run_id=flow_run_id)
        if accepted.is_paused():
            # Not before: with the state, Prefect deletes what is stored under its keys. An answer
            # of the ledger that comes in between is refused and the run offered again. A worker
            # that dies in between leaves a lease, and with it the same.
            await form.asave(keyset, flow_run_id=flow_run_id)
    if accepted.is_cancelling() or accepted.is_cancelled():
        raise StopRequestedError(f"cancelled before it could wait at {pause_key}")
    if accepted.is_paused() or accepted.is_scheduled():  # scheduled: woken before it slept
        raise Pause(state=accepted)
    raise WorkflowError(f"the run could not wait at {pause_key}: Prefect says {accepted.name}")


async def typed_in(pause_key: str) -> dict[str, Any] | None:
    """What a person typed into the Prefect UI's form of this request; None when no one did."""
    async with prefect_client() as client:
        found = await client.filter_flow_run_input(
            flow_run_id=current_flow_run().id,
            key_prefix=f"suspended-{pause_key}-",
            limit=states.MAX_COMPARED,
            exclude_keys=set(),
        )
    answers = [entry.decoded_value for entry in found if entry.key.endswith("-response")]
    latest: dict[str, Any] | None = answers[-1] if answers else None
    return latest


async def forget_typed(review: Review) -> None:
    """Delete the answers in Prefect's form of a request: the ledger has all that counts."""
    async with prefect_client() as client:
        flow_run_id = str(current_flow_run().id)
        await states.forget_typed(client, flow_run_id, states.pause_key(review))
