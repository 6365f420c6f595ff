"""The base of every agent: one typed question, one typed finding, one span.

An agent is a plain class. It does not know whether it runs as a Prefect task, in a batch or in a
test. An agent that asks a chat model derives from the same class and keeps the same contract.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar, get_args

from opentelemetry import trace
from opentelemetry.trace import StatusCode

from data.contracts.base import Contract
from data.contracts.errors import AgentError, ContractViolationError, as_desk_error
from tools.spans import current_span

Question = TypeVar("Question", bound=Contract)
Finding = TypeVar("Finding", bound=Contract)

_tracer = trace.get_tracer("credit_desk.agents")


class Agent(ABC, Generic[Question, Finding]):
    """Derive as `class KycAgent(Agent[CaseFile, KycFinding])` and write `answer`."""

    name: ClassVar[str]
    """The name of the agent in the workflow map."""
    task: ClassVar[str] = ""
    """The question that this class answers, when the agent has several."""
    version: ClassVar[str] = "1.0.0"
    question_type: ClassVar[type[Contract]]
    finding_type: ClassVar[type[Contract]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            match get_args(base):
                case (type() as question, type() as finding):
                    cls.question_type, cls.finding_type = question, finding

    @property
    def label(self) -> str:
        """Name and task, for example `credit_risk.scorecard`, or only the name, `kyc`."""
        return f"{self.name}.{self.task}" if self.task else self.name

    @property
    def model(self) -> str:
        """The model that answers: `rules/<version>`. A chat-backed agent names its chat model."""
        return f"rules/{self.version}"

    async def run(self, question: Question) -> Finding:
        """Answer inside a span. Every error names this agent.

        Raises ContractViolationError when question or finding have another type than declared.
        """
        began = time.perf_counter()
        with current_span(
            _tracer,
            f"invoke_agent {self.label}",
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                self._require_type("question", question, self.question_type)
                finding = await self.answer(question)
                self._require_type("finding", finding, self.finding_type)
            except Exception as error:
                known = as_desk_error(error, AgentError).attributed(agent=self.label)
                span.set_attribute("error.type", known.code)
                span.set_status(StatusCode.ERROR, str(known))
                raise known from None
            finally:
                span.set_attributes(self._attributes((time.perf_counter() - began) * 1000))
            return finding

    @abstractmethod
    async def answer(self, question: Question) -> Finding:
        """Compute the finding. Equal questions must give equal findings."""

    def describe(self, finding: Finding) -> str:
        """The finding in one line for the run's memory: its plain values by name."""
        inner = {name for name, value in finding if isinstance(value, Contract | tuple)}
        plain = finding.model_dump(mode="json", exclude=inner)
        shown = {
            name: value
            for name, value in plain.items()
            if isinstance(value, str | int | float | bool)
            and name not in {"agent", "agent_version"}
        }
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())

    def _require_type(self, what: str, value: object, contract: type[Contract]) -> None:
        if not isinstance(value, contract):
            raise ContractViolationError(
                f"the {what} is a {type(value).__name__}, not a {contract.__name__}"
            )

    def _attributes(self, latency_ms: float) -> dict[str, str | int | float | bool]:
        """Span attributes under the OpenTelemetry names, and copies for the desk's dashboards."""
        return {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": self.label,
            "gen_ai.agent.version": self.version,
            "gen_ai.request.model": self.model,
            "gen_ai.usage.input_tokens": 0,
            "gen_ai.usage.output_tokens": 0,
            "genai.agent": self.label,
            "genai.model": self.model,
            "genai.tokens.prompt": 0,
            "genai.tokens.completion": 0,
            "genai.latency_ms": round(latency_ms, 3),
            "genai.cache_hit": False,
        }


AnyAgent = Agent[Any, Any]
