"""Fan-out: several agents asked side by side, and what to do about those that fail.

`fail_fast` cancels the siblings and raises; `best_effort` waits for all and hands on typed
absences; `quorum` does the same if enough have answered. Tasks run on the event loop with
`asyncio`: Prefect's `.submit` would take ten times as long and cannot be cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from opentelemetry import trace

from data import traces
from data.contracts.base import Contract
from data.contracts.errors import (
    AgentError,
    CreditDeskError,
    FanOutError,
    LeaseLostError,
    UnavailableError,
    as_desk_error,
)
from data.settings import FanOutPolicy
from flows.runtime.execution.ask import Ask
from flows.runtime.execution.context import RunContext, current_run
from flows.runtime.graph.workflow import Kind
from tools.spans import already_told, current_span

F = TypeVar("F", bound=Contract)
Asked = Coroutine[Any, Any, Any]

_THE_DESKS_OWN = (LeaseLostError, UnavailableError)
"""What no agent has failed at: an answer that could not be kept must not become a missing one."""

_tracer = trace.get_tracer("credit_desk.runtime")


@dataclass(frozen=True)
class Answers:
    """What came back: a finding or the error by the name under which it was asked."""

    found: Mapping[str, Contract]
    missing: Mapping[str, CreditDeskError]

    def get(self, name: str, contract: type[F]) -> F | None:
        """The finding under a name, or None when it is missing."""
        finding = self.found.get(name)
        return finding if isinstance(finding, contract) else None

    def require(self, name: str, contract: type[F]) -> F:
        """The finding under a name. Raises what kept it from being found."""
        finding = self.get(name, contract)
        if finding is None:
            raise self.missing.get(name) or FanOutError(f"no agent was asked for '{name}'")
        return finding


async def fan_out(**asks: Ask[Any]) -> Answers:
    """Ask all at once and wait for the answers that the run's policy requires.

    Names that are nodes of the map are entered as such; the fan-in behind them is the barrier.
    Raises FanOutError naming who failed when the policy is not met.
    """
    run = current_run()
    branches = {name for name in asks if _is_branch(run, name)}
    for name in asks:
        if name in branches:
            await run.enter(name)
    policy = run.agent_policy.fan_out
    about = {traces.FAN_OUT_POLICY: policy.value, traces.FAN_OUT_SIZE: len(asks)}
    with current_span(_tracer, f"fan_out {run.phase}", lambda: about) as span:
        started = {name: q.answered(name if name in branches else "") for name, q in asks.items()}
        gather = _all_or_none if policy is FanOutPolicy.FAIL_FAST else _each
        answers = await gather(started)
        span.set_attribute(traces.FAN_OUT_MISSING, sorted(answers.missing))
    if policy is FanOutPolicy.QUORUM and len(answers.found) < min(
        run.agent_policy.quorum, len(asks)
    ):
        quorum = run.agent_policy.quorum
        raise FanOutError(
            f"{len(answers.found)} of {len(asks)} answered, {quorum} are required; "
            f"missing: {', '.join(sorted(answers.missing))}"
        )
    for name in branches:
        run.progress.finish(name)
    if barrier := _fan_in(run, branches):
        await run.enter(barrier)
    return answers


async def _all_or_none(asks: Mapping[str, Asked]) -> Answers:
    """The first failure cancels the siblings."""
    tasks: dict[str, asyncio.Task[Any]] = {}
    try:
        async with asyncio.TaskGroup() as group:
            for name, question in asks.items():
                tasks[name] = group.create_task(question)
    except* Exception as failures:
        first = as_desk_error(_innermost(failures), AgentError)
        if isinstance(first, _THE_DESKS_OWN):
            raise first from None
        failed = next((n for n, task in tasks.items() if _has_failed(task)), "an agent")
        stopped = sorted(n for n, task in tasks.items() if task.cancelled())
        also = f"; stopped with it: {', '.join(stopped)}" if stopped else ""
        summed_up = FanOutError(f"'{failed}' failed: {first.message}{also}", agent=first.agent)
        raise already_told(summed_up) from None
    return Answers({name: task.result() for name, task in tasks.items()}, {})


async def _each(asks: Mapping[str, Asked]) -> Answers:
    """Everybody runs to an end."""
    results = await asyncio.gather(*asks.values(), return_exceptions=True)
    found: dict[str, Contract] = {}
    missing: dict[str, CreditDeskError] = {}
    for name, result in zip(asks, results, strict=True):
        if isinstance(result, _THE_DESKS_OWN):
            raise result
        if isinstance(result, Exception):
            missing[name] = as_desk_error(result, AgentError)
        elif isinstance(result, BaseException):
            raise result
        else:
            found[name] = result
    return Answers(found, missing)


def _innermost(group: BaseExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _innermost(first) if isinstance(first, BaseExceptionGroup) else first


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _is_branch(run: RunContext[Any], name: str) -> bool:
    return name in run.workflow and run.workflow.stage_of(name) == run.phase


def _fan_in(run: RunContext[Any], branches: set[str]) -> str | None:
    """The barrier that these branches of the map lead to."""
    for name in branches:
        for edge in run.workflow.edges_from(name):
            if run.workflow.node(edge.target).kind is Kind.FAN_IN:
                return edge.target
    return None
