"""The base of every agent: one typed question, one typed finding, one span.

An agent is a plain class. It does not know whether it runs as a Prefect task, in a batch or in a
test. An agent that asks a chat model derives from the same class and keeps the same contract.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_args

from opentelemetry import trace

from data import traces
from data.contracts.base import Contract
from data.contracts.errors import AgentError, ContractViolationError, as_desk_error
from tools.spans import current_span

Question = TypeVar("Question", bound=Contract)
Finding = TypeVar("Finding", bound=Contract)

ChatTool = Callable[[], Any]
"""A tool without arguments: the question is fixed, so that a model can look into no other one. It
returns a contract or a tuple of contracts."""

_tracer = trace.get_tracer("credit_desk.agents")


class Agent(ABC, Generic[Question, Finding]):
    """Derive as `class KycAgent(Agent[CaseFile, KycFinding])` and write `answer`."""

    name: str
    """The name of the agent in the workflow map."""
    task: str = ""
    """The question that this class answers, when the agent has several."""
    version: str = "1.0.0"
    is_streamed: bool = False
    """Whether the text of a chat model is shown while the model writes it."""
    question_type: type[Contract]
    finding_type: type[Contract]

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

    @property
    def provider(self) -> str:
        """Who runs the model: the desk itself. A chat-backed agent names its provider."""
        return "credit_desk"

    async def run(self, question: Question) -> Finding:
        """Answer inside a span. Every error names this agent.

        Raises ContractViolationError when question or finding have another type than declared.
        """
        began = time.perf_counter()
        with current_span(_tracer, f"{traces.INVOKE_AGENT} {self.label}", self._attributes) as span:
            try:
                self._require_type("question", question, self.question_type)
                finding = await self.answer(question)
                self._require_type("finding", finding, self.finding_type)
            except Exception as error:
                raise as_desk_error(error, AgentError).attributed(agent=self.label) from None
            finally:
                latency_ms = (time.perf_counter() - began) * 1000
                span.set_attribute(traces.COPY_LATENCY, round(latency_ms, 3))
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

    def evidence(self, finding: Finding) -> dict[str, Any]:
        """What a chat model may word: the finding without personal data, as plain values."""
        return finding.model_dump(mode="json", exclude={"agent", "agent_version", "warnings"})

    def chat_tools(self, question: Question) -> Mapping[str, ChatTool]:
        """The tools that a chat model may use to look into the question, by name."""
        return {}

    def _require_type(self, what: str, value: object, contract: type[Contract]) -> None:
        if not isinstance(value, contract):
            raise ContractViolationError(
                f"the {what} is a {type(value).__name__}, not a {contract.__name__}"
            )

    def _attributes(self) -> dict[str, str | int | bool]:
        """Span attributes under the conventions' names, and copies for the desk's dashboards.

        An agent of rules uses no tokens: it has no usage under the conventions' names.
        """
        return {
            traces.OPERATION: traces.INVOKE_AGENT,
            traces.PROVIDER: self.provider,
            traces.AGENT_NAME: self.label,
            traces.AGENT_VERSION: self.version,
            traces.REQUEST_MODEL: self.model,
            traces.COPY_AGENT: self.label,
            traces.COPY_MODEL: self.model,
            traces.COPY_PROMPT_TOKENS: 0,
            traces.COPY_COMPLETION_TOKENS: 0,
            traces.COPY_CACHE_HIT: False,
        }


AnyAgent = Agent[Any, Any]
