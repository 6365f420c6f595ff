"""One stage at a time: a run at its start, with agents that a test can replace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from agents.base import Agent
from data.contracts.base import Contract
from data.contracts.case import CaseFile, Persona
from data.contracts.findings import BureauFinding, RiskFinding, Verification
from data.contracts.underwriting import Evidence, Intake, Underwriting
from data.settings import settings
from flows.agent_registry import AgentRegistry, use_agents
from flows.rulebook import current_rulebook
from flows.runtime.execution.context import AgentPolicy, RunContext, in_run
from flows.runtime.execution.executor import InlineExecutor
from flows.runtime.execution.gatekeeper import PreparedAnswers
from flows.runtime.execution.recorder import MemoryRecord
from flows.stages.bureau import pull_bureau
from flows.stages.doc_intake import take_in
from flows.stages.risk_ensemble import assess_risk
from flows.stages.verification import verify_applicant
from flows.workflow import WORKFLOW
from tests.flows.inline import QUICK, Script, Step


@contextmanager
def at_work(
    *steps: Step, agent_policy: AgentPolicy = QUICK, **agents: Agent[Any, Any]
) -> Iterator[RunContext[Underwriting]]:
    """A run with all agents. A keyword replaces the agent of that name in the registry."""
    data_dir = settings().data_dir
    registry = AgentRegistry.with_rulebook(current_rulebook(data_dir), data_dir)
    run = RunContext(
        WORKFLOW,
        "run-1",
        Underwriting(),
        record=MemoryRecord(),
        executor=InlineExecutor(),
        gatekeeper=Script(steps, lambda _: None) if steps else PreparedAnswers(),
        agent_policy=agent_policy,
    )
    run.walk.enter("start", run.state)
    replaced: dict[str, Any] = dict(agents)
    with in_run(run), use_agents(replace(registry, **replaced)):
        yield run


async def verified(case: CaseFile) -> tuple[CaseFile, Intake, Verification]:
    """A case that has come through verification."""
    intake = await take_in(case)
    return case, intake, await verify_applicant(case, intake)


async def gathered(case: Persona) -> tuple[CaseFile, Intake, Evidence]:
    """A case with all its evidence."""
    handed_in, intake, verification = await verified(case.case)
    bureau: BureauFinding = await pull_bureau(handed_in, verification)
    risk: RiskFinding = await assess_risk(handed_in, verification, bureau)
    return handed_in, intake, Evidence(verification=verification, bureau=bureau, risk=risk)


class Absent(Agent[Contract, Contract]):
    """An agent who fails with an error of its own, however often it is asked."""

    name = "absent"

    def __init__(self, label: str, error: Exception) -> None:
        self._label, self._error, self.asked = label, error, 0

    @property
    def label(self) -> str:
        return self._label

    async def answer(self, question: Contract) -> Contract:
        self.asked += 1
        raise self._error
