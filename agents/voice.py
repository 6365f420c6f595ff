"""Which agents have a chat model, by the settings of the desk."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from agents.base import Agent, Finding, Question
from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent
from data.contracts.errors import ContractViolationError, ExtraMissingError
from data.contracts.notices import LetterWording
from data.contracts.second_reading import SecondReading
from data.contracts.wording import ModelPrices, Prompts
from data.settings import AgentBackend, Settings
from tools.versioned_data import load_versioned

log = logging.getLogger(__name__)


class Voice:
    """Gives no agent a chat model: all of them answer by rules alone."""

    def of(self, agent: Agent[Question, Finding]) -> Agent[Question, Finding]:
        """The agent as the desk asks it: alone, or with a chat model that words its findings."""
        return agent

    def letter_worder(self) -> Agent[DecisionContent, LetterWording] | None:
        """The agent that words letters once more; None when letters have the rules' words alone."""
        return None

    def document_reader(self) -> Agent[CaseFile, SecondReading] | None:
        """The agent that reads documents a second time; None when only the parser reads them."""
        return None


NO_VOICE = Voice()


class ChatVoice(Voice):
    """Gives the chosen agents one chat model. Raises as `require_chat` does."""

    def __init__(self, settings: Settings) -> None:
        from agents.chat import ChatAccess, ChatModel
        from agents.exchange import ExchangeLimits

        require_chat(settings)
        prices = load_prices(settings.data_dir)
        if settings.chat_model not in prices.models:
            log.warning(
                "chat/prices.yaml has no price for %s: its cost is unknown", settings.chat_model
            )
        self.prompts = load_prompts(settings.data_dir)
        self._chosen = _chosen(settings, self.prompts)
        self._limits = ExchangeLimits(settings.chat_seconds, settings.chat_repairs)
        self._model = ChatModel(
            ChatAccess(
                model=settings.chat_model,
                base_url=settings.chat_base_url,
                api_key=settings.chat_api_key.get_secret_value(),
                azure_endpoint=settings.chat_azure_endpoint,
                azure_api_version=settings.chat_azure_api_version,
                request_seconds=settings.chat_request_seconds,
                retries=settings.chat_retries,
                patience_seconds=settings.chat_seconds,
                max_tokens=settings.chat_max_tokens,
                trace_content=settings.chat_trace_content,
            ),
            prices,
        )

    def of(self, agent: Agent[Question, Finding]) -> Agent[Question, Finding]:
        from agents.worded import WordedAgent

        if agent.label not in self._chosen:
            return agent
        return WordedAgent(agent, self._model, self.prompts, self._limits)

    def letter_worder(self) -> Agent[DecisionContent, LetterWording] | None:
        from agents.letter import LetterWorder

        if "underwriter.letter" not in self._chosen:
            return None
        return LetterWorder(self._model, self.prompts, self._limits)

    def document_reader(self) -> Agent[CaseFile, SecondReading] | None:
        from agents.document_reader import DocumentReader

        if "doc_intake.reading" not in self._chosen:
            return None
        return DocumentReader(self._model, self.prompts, self._limits)


class LostVoice(Voice):
    """Marks the findings of the agents that a bundle wants worded, where no model can be asked."""

    def __init__(self, settings: Settings) -> None:
        own = dict(settings.agent_backends)
        prompts = load_prompts(settings.data_dir).agents
        self._chosen = {label for label in prompts if own.get(label) is not AgentBackend.RULES}

    def of(self, agent: Agent[Question, Finding]) -> Agent[Question, Finding]:
        from agents.worded import UnwordedAgent

        return UnwordedAgent(agent) if agent.label in self._chosen else agent


def require_chat(settings: Settings) -> None:
    """Check the settings of the chat model, without loading its packages.

    Raises ExtraMissingError without the extra `chat`, and ContractViolationError without the name
    of a model, for an agent that has no prompt, for an agent that would time out before its text,
    and for a budget in dollars without a price that applies today. Raises RecordNotFoundError or
    RecordCorruptError for the files of `data/chat`.
    """
    if not settings.uses_chat:
        return
    if find_spec("agent_framework_openai") is None:
        raise ExtraMissingError("chat", "Agents on a chat model")
    if not settings.chat_model:
        raise ContractViolationError("name the chat model with CREDIT_DESK_CHAT_MODEL")
    if settings.chat_seconds >= settings.agent_timeout_seconds:
        raise ContractViolationError(
            "chat_seconds must be below agent_timeout_seconds: set CREDIT_DESK_CHAT_SECONDS"
        )
    _chosen(settings, load_prompts(settings.data_dir))
    _require_price(settings, load_prices(settings.data_dir), datetime.now(UTC).date())


@cache
def voice_of(settings: Settings) -> Voice:
    """The voice that the settings ask for, made once per process. Raises as ChatVoice does."""
    return ChatVoice(settings) if settings.uses_chat else NO_VOICE


def with_backend(settings: Settings, backend: AgentBackend) -> Settings:
    """The settings of a run whose bundle names a backend. Agents with a setting keep theirs."""
    return settings.model_copy(update={"agent_backend": backend})


def voice_named(settings: Settings, backend: AgentBackend) -> Voice:
    """The voice of a run whose bundle names a backend.

    Where the desk cannot ask a chat model any more, the agents answer by rules, and the findings
    carry the mark that the policy sees. Raises RecordNotFoundError or RecordCorruptError for the
    files of `data/chat`.
    """
    chosen = with_backend(settings, backend)
    try:
        return voice_of(chosen)
    except (ExtraMissingError, ContractViolationError) as error:
        log.warning("the run's bundle names a chat model that cannot be asked: %s", error.message)
        return LostVoice(chosen)


def load_prompts(data_dir: Path) -> Prompts:
    """Read `chat/prompts.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "chat" / "prompts.yaml", Prompts)


def load_prices(data_dir: Path) -> ModelPrices:
    """Read `chat/prices.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "chat" / "prices.yaml", ModelPrices)


def _chosen(settings: Settings, prompts: Prompts) -> frozenset[str]:
    """The labels of the agents that have a chat model."""
    backends = dict.fromkeys(prompts.agents, settings.agent_backend)
    backends |= dict.fromkeys(prompts.on_request, AgentBackend.RULES)
    for label, backend in settings.agent_backends:
        if label not in backends:
            known = ", ".join(sorted(backends))
            raise ContractViolationError(
                f"CREDIT_DESK_AGENT_BACKENDS names an agent without a prompt; known are {known}"
            )
        backends[label] = backend
    return frozenset(label for label, backend in backends.items() if backend is AgentBackend.CHAT)


def _require_price(settings: Settings, prices: ModelPrices, today: date) -> None:
    if settings.chat_run_usd is None and settings.chat_stage_usd is None:
        return
    if settings.chat_model not in prices.models:
        lack = f"chat/prices.yaml has no price for {settings.chat_model}"
    elif prices.effective_from > today:
        lack = f"the prices in chat/prices.yaml apply from {prices.effective_from} only"
    else:
        return
    raise ContractViolationError(
        f"a budget in dollars needs a price, and {lack}: add it there, or unset"
        " CREDIT_DESK_CHAT_RUN_USD and CREDIT_DESK_CHAT_STAGE_USD"
    )
