"""`ask`: put a question to an agent, however the run is carried out.

The answer is kept under run, stage, agent and the digest of the question, so a stage that is
executed again asks no finished agent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from opentelemetry import trace

from agents.base import Agent
from agents.conversation import holding
from data.contracts.base import Contract, sha256_of
from data.contracts.errors import (
    AgentError,
    AgentTimeoutError,
    CreditDeskError,
    ToolUnavailableError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.contracts.wording import ModelUse, Wording
from data.metrics import AGENT_DURATION
from flows.runtime.execution.context import AgentPolicy, RunContext, current_run
from flows.runtime.execution.conversation import RunConversation
from flows.runtime.execution.recorder import Entry
from flows.runtime.host import telemetry
from flows.runtime.ledger.journal import Draft
from tools.base import ToolCall, recorded_calls
from tools.spans import current_span

Question = TypeVar("Question", bound=Contract)
Finding = TypeVar("Finding", bound=Contract)

_tracer = trace.get_tracer("credit_desk.runtime")
_duration = telemetry.histogram(AGENT_DURATION)


@dataclass(frozen=True)
class Ask(Generic[Finding]):
    """A question on its way: await it, or hand it to `fan_out` with others."""

    agent: Agent[Any, Finding]
    question: Contract

    def __await__(self) -> Generator[Any, None, Finding]:
        return self.answered().__await__()

    async def answered(self, branch: str = "") -> Finding:
        """The agent's finding; with it, the branch of the map that it stands on is done.

        Raises AgentError or ToolError when there is no finding.
        """
        run = current_run()
        visit = run.current_visit
        place = f"{run.phase}/{visit}/{self.agent.label}"
        with current_span(_tracer, f"agent {self.agent.label}"):
            await run.emit(
                EventType.AGENT_STARTED,
                f"Asked {_spoken(self.agent.label)}",
                {"agent": self.agent.label, "model": self.agent.model},
                key=f"{place}/started",
            )
            label = self.agent.label
            return await run.executor.agent(label, lambda: self._answer(run, place, branch))

    async def _answer(self, run: RunContext[Any], place: str, branch: str) -> Finding:
        agent = self.agent

        def key() -> str:
            return f"{place}/{agent.version}-{sha256_of(self.question)[:32]}"

        kept = await run.record.kept_answer(key)
        began = time.perf_counter()
        if kept is not None:
            finding, calls, attempts = cast(Finding, agent.finding_type.model_validate(kept)), [], 0
            wording = await _kept_wording(run, key)
        else:
            held = self._conversation(run, place)
            with recorded_calls() as calls, holding(held):
                finding, attempts = await self._with_retries(run, place)
            await held.flush()
            if (wording := held.wording) is not None:
                # Before the finding: an execution that finds the finding also finds its text.
                await run.record.keep_answer(lambda: f"{key()}/wording", wording)
            await run.record.keep_answer(key, finding)
        seconds = time.perf_counter() - began
        _duration.record(seconds, {"agent": agent.label})
        if branch:
            run.progress.finish(branch)
        self._remember(run, finding, wording)
        used = wording.use if wording else None
        await run.record.write(
            Entry(lambda: self._news(run, place, finding, calls, attempts, seconds, used))
        )
        return finding

    def _remember(self, run: RunContext[Any], finding: Finding, wording: Wording | None) -> None:
        label = self.agent.label
        if wording is None:
            run.remember(label, lambda: self.agent.describe(finding))
        elif not wording.text:
            run.remember(label, lambda: self.agent.describe(finding), wording.use)
        else:
            run.texts[label] = wording.text
            run.remember(label, wording.text, wording.use)

    def _conversation(self, run: RunContext[Any], place: str) -> RunConversation:
        label = self.agent.label

        async def tell(text: str, attempt: int, number: int) -> None:
            # An attempt, or an execution that takes the run up again, writes another text.
            attempt_of = f"{run.record.epoch}.{attempt}"
            meta = {"agent": label, "text": text, "attempt": attempt_of, "part": number}
            key = f"{place}/delta/{run.record.epoch}/{number}"
            await run.emit(EventType.AGENT_DELTA, f"{_spoken(label)} writes", meta, key=key)

        return RunConversation(run.record, run.spending, run.phase, place, tell)

    async def _with_retries(self, run: RunContext[Any], place: str) -> tuple[Finding, int]:
        """Ask until there is an answer, a final error, or no attempt is left."""
        agent_policy = run.agent_policy
        for attempt in range(1, agent_policy.retries + 2):
            try:
                return await _in_time(self.agent, self.question, agent_policy), attempt
            except (AgentTimeoutError, ToolUnavailableError) as error:
                last = attempt == agent_policy.retries + 1
                await run.emit(
                    EventType.ERROR,
                    f"{_spoken(self.agent.label)}: {error.message}"
                    + ("" if last else "; asking again"),
                    {"agent": self.agent.label, "tool": error.tool, "code": error.code},
                    key=f"{place}/error/{run.record.epoch}/{attempt}",
                )
                if last:
                    raise
                await asyncio.sleep(agent_policy.backoff_seconds * 2 ** (attempt - 1))
        raise AssertionError("a loop over at least one attempt returns or raises")

    def _news(
        self,
        run: RunContext[Any],
        place: str,
        finding: Finding,
        calls: list[ToolCall],
        attempts: int,
        seconds: float,
        used: ModelUse | None,
    ) -> list[Draft]:
        """The events of an answer: each tool that was used, and that the agent has answered."""
        agent = self.agent
        drafts = [
            run.draft(
                EventType.TOOL_CALLED,
                f"{_spoken(agent.label)} used {call.name.replace('_', ' ')}",
                {
                    "agent": agent.label,
                    "tool": call.name,
                    "outcome": call.outcome,
                    "latency_ms": call.latency_ms,
                },
                key=f"{place}/tool/{number}",
            )
            for number, call in enumerate(calls, 1)
        ]
        drafts.append(
            run.draft(
                EventType.AGENT_COMPLETED,
                f"{_spoken(agent.label)} answered",
                {
                    "agent": agent.label,
                    "model": agent.model,
                    "status": str(getattr(finding, "status", "ok")),
                    "attempts": attempts,
                    "cache_hit": attempts == 0,
                    "latency_ms": round(seconds * 1000, 3),
                    "tokens": {"prompt": 0, "completion": 0},
                }
                | (_of_model(used) if used else {}),
                key=f"{place}/completed",
            )
        )
        return drafts


def ask(agent: Agent[Question, Finding], question: Question) -> Ask[Finding]:
    """A question to an agent: `finding = await ask(reader, question)`."""
    return Ask(agent, question)


async def _in_time(
    agent: Agent[Any, Finding], question: Contract, agent_policy: AgentPolicy
) -> Finding:
    try:
        async with asyncio.timeout(agent_policy.timeout_seconds):
            return await agent.run(question)
    except TimeoutError as error:
        if isinstance(error, CreditDeskError):
            raise
        raise AgentTimeoutError(
            f"no answer within {agent_policy.timeout_seconds:g} s", agent=agent.label
        ) from None
    except Exception as error:
        raise as_desk_error(error, AgentError) from None


async def _kept_wording(run: RunContext[Any], key: Callable[[], str]) -> Wording | None:
    """The text that came with a kept answer. Its use counts in the run's budget."""
    kept = await run.record.kept_answer(lambda: f"{key()}/wording")
    if kept is None:
        return None
    wording = Wording.model_validate(kept)
    run.spending.book(run.phase, wording.use)
    return wording


def _of_model(used: ModelUse) -> dict[str, Any]:
    """What an event says of the model that was asked."""
    return {
        "tokens": {"prompt": used.prompt_tokens, "completion": used.completion_tokens},
        "cost_usd": None if used.cost_usd is None else str(used.cost_usd),
        "prompt": used.prompt,
        "model_calls": used.calls,
        "model_cache_hits": used.cache_hits,
        "refusals": used.refusals,
    } | ({"degraded": used.degraded.value} if used.degraded else {})


def _spoken(label: str) -> str:
    return label.replace(".", " ").replace("_", " ")
