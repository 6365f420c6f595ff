"""The base of every agent that asks a chat model, whatever it asks for."""

from __future__ import annotations

from typing import Generic

from agents.base import Agent, Finding, Question
from agents.chat import ChatModel
from agents.conversation import conversation
from agents.exchange import Answer, Assignment, Exchange, ExchangeLimits, tell_span
from data.contracts.wording import ModelUse, Prompts


class ModelAgent(Agent[Question, Finding], Generic[Question, Finding]):
    """Derive with question and finding as from Agent, and ask with `_ask` in `answer`."""

    def __init__(self, model: ChatModel, prompts: Prompts, limits: ExchangeLimits) -> None:
        self._model, self._prompts, self._limits = model, prompts, limits
        self.version = f"{type(self).version}-{prompts.name}"

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def provider(self) -> str:
        return self._model.provider

    async def _ask(self, task: Assignment[Answer]) -> tuple[Answer | None, ModelUse]:
        """The accepted answer, or None and why there is none; the span says what it has used."""
        exchange = Exchange(self._model, self._prompts, self._limits, conversation())
        answer, use = await exchange.ask(task)
        tell_span(use)
        return answer, use
