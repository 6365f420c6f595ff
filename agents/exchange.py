"""One exchange with a chat model: an assignment, answers that are held to it, and what they used.

An answer with faults is refused, and the model is told which. After the last attempt, and when the
model is away, late or beyond the budget, there is no answer: the caller then goes on by rules.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from opentelemetry import trace
from pydantic import ValidationError

from agents.chat import ChatModel, ModelUnavailableError, Turn, instrumented
from agents.chat_calls import Calls
from agents.conversation import BudgetSpentError, Conversation
from agents.text_reader import TextReader
from data import traces
from data.contracts.base import Contract
from data.contracts.wording import Degradation, ModelUse, Prompts
from tools.model_input import ModelInput, PersonalDataLeavesError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=Contract)

_MOST_FAULTS = 8
"""How many faults of an answer the model is told."""

_DEGRADATIONS: dict[type[Exception], Degradation] = {
    TimeoutError: Degradation.TIMEOUT,
    BudgetSpentError: Degradation.BUDGET,
    PersonalDataLeavesError: Degradation.PERSONAL_DATA,
    ModelUnavailableError: Degradation.UNAVAILABLE,
}


@dataclass(frozen=True)
class ExchangeLimits:
    """How long and how often a chat model is asked for one answer."""

    seconds: float = 20.0
    """All attempts together, with the retries of each request."""
    repairs: int = 2
    """How often a refused answer is asked for again."""


class Assignment(ABC, Generic[Answer]):
    """What a model is asked for, and what may be said against its answer."""

    label: str
    """Under which the prompts have its instruction."""
    form: type[Answer]
    """The form of the answer."""
    shown: ModelInput
    """Masks what the model gets to see."""
    tools: Mapping[str, Callable[[], str]] = MappingProxyType({})
    is_heard: bool = False
    """Whether the text is told while the model writes it."""

    @property
    @abstractmethod
    def prompt(self) -> str:
        """The request, before it is checked for personal data."""

    @abstractmethod
    def faults(self, answer: Answer) -> tuple[str, ...]:
        """What is wrong with a whole answer, in words for the model; nothing if it is accepted."""

    def faults_of(self, sentence: str) -> tuple[str, ...]:
        """What is wrong with a sentence of the text, as soon as the model has written it."""
        return ()


@dataclass(frozen=True)
class Exchange:
    """How one model is asked, within limits, in the conversation of an agent."""

    model: ChatModel
    prompts: Prompts
    limits: ExchangeLimits
    held: Conversation

    async def ask(self, task: Assignment[Answer]) -> tuple[Answer | None, ModelUse]:
        """The first answer without faults, or None and the reason why there is none."""
        instrumented(self.model.access.trace_content)
        calls = Calls(self.model, self.held, self.prompts.name)
        try:
            async with asyncio.timeout(self.limits.seconds):
                answer = await self._accepted(task, calls)
                if answer is not None and task.shown.is_masked:
                    await self.held.share()
        except tuple(_DEGRADATIONS) as error:
            why = next(why for kind, why in _DEGRADATIONS.items() if isinstance(error, kind))
            log.warning("%s has no text of its chat model, %s: %s", task.label, why, error)
            return None, calls.use(why)
        return answer, calls.use(Degradation.REFUSED if answer is None else None)

    async def _accepted(self, task: Assignment[Answer], calls: Calls) -> Answer | None:
        turns = [Turn("user", task.shown.checked(task.prompt))]
        for attempt in range(1, self.limits.repairs + 2):
            answer, said, faults = await self._attempt(task, turns, calls, attempt)
            if not faults:
                return answer
            calls.refusals += 1
            turns += [Turn("assistant", said or "-"), Turn("user", _refusal(faults))]
            task.shown.checked(said)
        return None

    async def _attempt(
        self, task: Assignment[Answer], turns: list[Turn], calls: Calls, attempt: int
    ) -> tuple[Answer | None, str, tuple[str, ...]]:
        """The answer, if it has its form; everything that was said; what is wrong with it."""
        reader = TextReader()
        stream = self.model.stream(
            self.prompts.instructions(task.label),
            turns,
            task.form,
            task.tools,
            calls.as_middleware(),
        )
        try:
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    for sentence in reader.feed(piece):
                        if faults := task.faults_of(sentence):
                            return None, reader.raw, faults
                        if task.is_heard:
                            await self.held.hear(sentence, attempt)
        finally:
            calls.close(len(reader.raw))
        try:
            answer = task.form.model_validate_json(reader.raw)
        except ValidationError:
            return None, reader.raw, (_no_form(task.form),)
        faults = task.faults(answer)
        if task.is_heard and not faults and (rest := reader.rest()):
            await self.held.hear(rest, attempt)
        return answer, reader.raw, faults


def tell_span(use: ModelUse) -> None:
    """Let the agent's span say what its exchange has used."""
    span = trace.get_current_span()
    span.set_attributes(
        {
            traces.COPY_PROMPT_TOKENS: use.prompt_tokens,
            traces.COPY_COMPLETION_TOKENS: use.completion_tokens,
            traces.COPY_CACHE_HIT: use.calls == 0 and use.cache_hits > 0,
            traces.PROMPT_VERSION: use.prompt,
        }
    )
    if use.cost_usd is not None:
        span.set_attribute(traces.COST, float(use.cost_usd))
    if use.degraded is not None:
        span.set_attribute(traces.DEGRADED, use.degraded.value)


def _no_form(form: type[Contract]) -> str:
    fields = " and ".join(form.model_fields)
    return f"answer with nothing but a JSON object in the form that was asked for, with {fields}"


def _refusal(faults: tuple[str, ...]) -> str:
    listed = "\n".join(f"- {fault}" for fault in faults[:_MOST_FAULTS])
    return f"Refused, because:\n{listed}\nWrite it again in the same form."
