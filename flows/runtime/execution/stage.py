"""`@stage`: the one decorator of a stage, and all that a stage need not say itself.

It holds input and output to their contracts, refuses a transition that the map does not know,
hands back a finished stage's output on a later execution, and otherwise runs the body as a
Prefect subflow without parameters (or inline), with span, progress, events and a checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import trace

from data.contracts.base import Contract
from data.contracts.errors import (
    ContractViolationError,
    WorkflowError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.metrics import STAGE_DURATION
from flows.runtime.execution.context import RunContext, current_run
from flows.runtime.execution.recorder import Entry
from flows.runtime.graph.workflow import Kind, Node
from flows.runtime.host import telemetry
from flows.runtime.ledger.journal import Draft
from tools.spans import current_span

P = ParamSpec("P")
Output = TypeVar("Output", bound=Contract)

_tracer = trace.get_tracer("credit_desk.runtime")
_duration = telemetry.histogram(STAGE_DURATION)


def stage(
    name: str,
) -> Callable[[Callable[P, Awaitable[Output]]], Callable[P, Awaitable[Output]]]:
    """Make a function the body of a stage of the map.

    Raises, when called: InvalidTransitionError when no true edge leads here,
    ContractViolationError when an input that the map requires is missing or the output is of
    another type; any other error with this stage as its origin.
    """

    def decorate(fn: Callable[P, Awaitable[Output]]) -> Callable[P, Awaitable[Output]]:
        @wraps(fn)
        async def staged(*args: P.args, **kwargs: P.kwargs) -> Output:
            run = current_run()
            visit = run.count_visit(name)
            gives = run.workflow.gives(name)
            finished = run.outputs.get(f"{name}#{visit}")
            if finished is not None:
                return cast(Output, gives.model_validate(finished))  # a contract stays as it is
            try:
                with current_span(_tracer, f"stage {name}" + (f" {visit}" if visit > 1 else "")):
                    await _begin(run, name, visit, [*args, *kwargs.values()])
                    began = time.perf_counter()

                    async def body() -> Output:
                        output = await fn(*args, **kwargs)
                        if not isinstance(output, gives):
                            raise ContractViolationError(
                                f"returned a {type(output).__name__}, not a {gives.__name__}"
                            )
                        return output

                    output = await _carry_out(run, name, visit, body)
                    seconds = time.perf_counter() - began
                    label = run.workflow.checkpoint_of(name)
                    with current_span(_tracer, f"checkpoint {label or name}"):
                        await run.finish_stage(name, visit, output, label, seconds)
            except Exception as error:
                raise as_desk_error(error, WorkflowError).attributed(stage=name) from None
            _duration.record(seconds, {"stage": name})
            return output

        return staged

    return decorate


async def _carry_out(
    run: RunContext[Any], name: str, visit: int, body: Callable[[], Awaitable[Output]]
) -> Output:
    """Execute a stage's body: as a subflow when agents and tools are in it."""
    if _runs_as_subflow(run, name):
        return await run.executor.stage(name, visit, body)
    return await body()


async def _begin(run: RunContext[Any], name: str, visit: int, inputs: list[Any]) -> None:
    entry = _entry(run, name)
    run.phase = name
    if entry is not None:
        await run.enter(entry.id)
        for contract in entry.takes:
            if not any(isinstance(value, contract) for value in inputs):
                raise ContractViolationError(f"was entered without a {contract.__name__}")

    def tell() -> list[Draft]:
        told = f"Started {name.replace('_', ' ')}"
        return [run.draft(EventType.STAGE_STARTED, told, key=f"started/{name}/{visit}")]

    await run.record.write(Entry(tell, change=lambda: {"phase": name}))


def _entry(run: RunContext[Any], name: str) -> Node | None:
    """Where the stage begins on the map; a stage made of gates is entered by its gates."""
    nodes = run.workflow.nodes_of(name)
    return next((node for node in nodes if node.kind is not Kind.HITL), None)


def _runs_as_subflow(run: RunContext[Any], name: str) -> bool:
    """Agents and tools get a subflow. Gates cannot (Prefect suspends root flows only)."""
    entry = _entry(run, name)
    return entry is not None and entry.kind is not Kind.DECISION
