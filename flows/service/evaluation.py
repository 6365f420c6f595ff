"""Takes known cases through the root flow twice, by rules and with a voice, and compares.

The report is evidence for a change of model or prompt: every field of a decision has to agree, and
the rest says how often the model was of use, and what it has cost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from agents.voice import NO_VOICE, Voice
from data.contracts.case import CaseFile
from data.contracts.errors import CreditDeskError
from data.contracts.evaluation import AgentEvaluation, Evaluation, FieldAgreement
from data.contracts.runs import Message
from data.contracts.underwriting import Rulebook
from data.contracts.wording import ModelUse
from flows.inline import Decided, WaitsAtGate, underwrite_inline
from flows.runtime.execution.context import AgentPolicy
from flows.runtime.execution.recorder import ResultRecord
from tools.policy import pack_sha256

_NOT_COMPARED = {"schema_version", "inputs_sha256", "memo"}


@dataclass
class _Tally:
    """What is counted while the cases go by."""

    agreed: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    differing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    uses: defaultdict[str, list[ModelUse]] = field(default_factory=lambda: defaultdict(list))

    def compare(self, name: str, by_rules: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        fields = {*by_rules, *other}
        differing = sorted(key for key in fields if by_rules.get(key) != other.get(key))
        self.compared.update(fields)
        self.agreed.update(fields - set(differing))
        if differing:
            self.differing[name] = tuple(differing)

    def hear(self, thread: Iterable[Message]) -> None:
        for said in thread:
            if said.model_use is not None:
                self.uses[said.author].append(said.model_use)


async def evaluate(
    cases: Iterable[CaseFile],
    rulebook: Rulebook,
    backend: str,
    voice: Voice,
    agent_policy: AgentPolicy | None = None,
) -> Evaluation:
    """Compare a voice with rules, one case after another. A case that comes to a gate ends there.

    An error of a case is a field that has to agree like all others.
    """
    tally, count = _Tally(), 0
    for case in cases:
        by_rules, _ = await _fields(case, rulebook, NO_VOICE, agent_policy)
        worded, thread = await _fields(case, rulebook, voice, agent_policy)
        tally.compare(case.application.application_id, by_rules, worded)
        tally.hear(thread)
        count += 1
    every = [use for uses in tally.uses.values() for use in uses]
    total = _sum(every)
    return Evaluation(
        backend=backend,
        model=total.model,
        prompt=total.prompt,
        policy_sha256=pack_sha256(rulebook.policy),
        cases=count,
        fields={
            name: FieldAgreement(cases=tally.compared[name], agreed=tally.agreed[name])
            for name in sorted(tally.compared)
        },
        differing=tally.differing,
        agents={label: _agent(uses) for label, uses in sorted(tally.uses.items())},
        total=total,
    )


async def _fields(
    case: CaseFile, rulebook: Rulebook, voice: Voice, agent_policy: AgentPolicy | None
) -> tuple[dict[str, Any], tuple[Message, ...]]:
    """The result of a case field by field, and the thread of its run."""
    record = ResultRecord()
    try:
        result = await underwrite_inline(
            case, rulebook, agent_policy=agent_policy, record=record, voice=voice
        )
    except CreditDeskError as error:
        return {"error": error.code}, ()
    last = record.last_checkpoint
    thread = last.memory if last is not None else ()
    match result:
        case Decided(content=content):
            plain = content.model_dump(mode="json", exclude=_NOT_COMPARED)
            return plain | {"content_sha256": content.content_sha256}, thread
        case WaitsAtGate(gate=gate, request=request, checkpoint=checkpoint):
            policy = checkpoint.state.get("policy")
            return {"gate": gate, "facts": dict(request.facts), "policy": policy}, thread


def _agent(uses: list[ModelUse]) -> AgentEvaluation:
    latencies = [use.latency_ms for use in uses]
    fallbacks = Counter(use.degraded.value for use in uses if use.degraded is not None)
    return AgentEvaluation(
        texts=len(uses),
        accepted=len(uses) - fallbacks.total(),
        refusals=sum(use.refusals for use in uses),
        fallbacks=dict(fallbacks),
        latency_ms_median=round(median(latencies), 3),
        latency_ms_max=max(latencies),
        use=_sum(uses),
    )


def _sum(uses: list[ModelUse]) -> ModelUse:
    total = ModelUse(model="")
    for use in uses:
        total += use
    return total
