"""What a chat model writes about a finding, and what the writing has used."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from data.contracts.base import Contract, Day, Rate, Slug
from data.contracts.quantities import Count

MODEL_DEGRADED = "model_degraded"
"""The warning in a finding whose chat model gave no text that the desk accepts. The text then is
the rules' own. The policy counts these findings."""


class Statement(Contract):
    """One value of the evidence that the text relies on."""

    name: str = Field(description="The field of the evidence, for example verified_monthly.")
    value: str = Field(description="Its value, copied from the evidence.")


class ModelText(Contract):
    """The form in which a chat model has to answer."""

    text: str = Field(description="Plain sentences for a credit reviewer.")
    statements: tuple[Statement, ...] = Field(
        description="Every value of the evidence that the text relies on."
    )


class Degradation(StrEnum):
    """Why the rules' own text replaced that of the chat model."""

    REFUSED = "refused"
    """No attempt had the form and agreed with the evidence."""
    UNAVAILABLE = "unavailable"
    """The model did not answer, or answered with an error, after all retries."""
    TIMEOUT = "timeout"
    BUDGET = "budget"
    """The tokens or dollars of the run or the stage are used up."""
    SWITCHED_OFF = "switched_off"
    """The run's bundle names the chat model, and the desk cannot ask one any more."""
    PERSONAL_DATA = "personal_data"
    """The request would have contained personal data. It was not sent."""


def total_cost(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The costs together; None, not known, as soon as one of them is not known."""
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


class ModelUse(Contract):
    """What the answers of a chat model have used."""

    model: str
    prompt: str = ""
    """The version of the prompts."""
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cost_usd: Annotated[Decimal, Field(ge=0)] | None = Decimal(0)
    """By `data/chat/prices.yaml`; None, not known, for a model without a price there."""
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    calls: Count = 0
    """Requests that a model has answered, without those that the desk had an answer to."""
    cache_hits: Count = 0
    refusals: Count = 0
    """Texts that the desk has refused."""
    degraded: Annotated[Degradation | None, Field(exclude_if=operator.not_)] = None

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: ModelUse) -> ModelUse:
        """Both together. Of two models, prompts or reasons, the later one is named."""
        counted = ("prompt_tokens", "completion_tokens", "latency_ms", "calls", "cache_hits")
        sums = {name: getattr(self, name) + getattr(other, name) for name in (*counted, "refusals")}
        sums["cost_usd"] = total_cost((self.cost_usd, other.cost_usd))
        return other.model_copy(update=sums | {"degraded": other.degraded or self.degraded})


class Wording(Contract):
    """The text of an agent that has a chat model. It is empty where the rules' own text is used."""

    text: str
    use: ModelUse


class KeptReply(Contract):
    """One reply of a chat model as the desk keeps it, under the digest of the request."""

    reply: dict[str, Any]
    use: ModelUse


WordedLabel = Annotated[
    str,
    Field(
        pattern=r"^(doc_intake|kyc|fraud|income|credit_risk\.bureau|underwriter\.(pricing|decision))$"
    ),
]
"""The label of an agent whose findings a chat model can word. A slip in one would name no agent,
and leave an agent on rules without a word."""
LabelOnRequest = Annotated[str, Field(pattern=r"^(doc_intake\.reading|underwriter\.letter)$")]


class Prompts(Contract):
    """The instructions of the agents that have a chat model. A file of `data/chat`."""

    prompts: Slug
    version: str
    common: str
    """Instructions for every agent."""
    agents: dict[WordedLabel, str]
    """The instruction of each agent by its label. Other agents always answer by rules."""
    on_request: dict[LabelOnRequest, str]
    """Whole instructions, by label, of the agents that are asked only where the settings name them.
    """

    @property
    def name(self) -> str:
        """The name with the version, as runs record it."""
        return f"{self.prompts}.{self.version}"

    def instructions(self, label: str) -> str:
        """Everything that the model is told to do for one agent."""
        if label in self.on_request:
            return self.on_request[label]
        return f"{self.common}\n\n{self.agents[label]}"


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
TokenPrice = Annotated[Rate, Field(ge=0)]
"""US dollars for a million tokens."""


class ModelPrice(Contract):
    """What one model costs. A local model that costs nothing has two zeros."""

    input: TokenPrice
    output: TokenPrice


class ModelPrices(Contract):
    """What chat models cost. A file of `data/chat`."""

    prices: Slug
    version: str
    effective_from: Day
    """The first day on which the provider bills them."""
    currency: Literal["USD"]
    """Budgets, records and metrics are in US dollars: convert a list in another currency."""
    models: dict[ModelName, ModelPrice]

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> Decimal | None:
        """US dollars for one reply; None, not known, for tokens of a model without a price."""
        price = self.models.get(model)
        if price is None:
            return None if prompt_tokens or completion_tokens else Decimal(0)
        spent = price.input * prompt_tokens + price.output * completion_tokens
        return (spent / 1_000_000).quantize(Decimal("0.000001"))
