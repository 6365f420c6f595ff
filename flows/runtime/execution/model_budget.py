"""What the agents of a run may use of chat models, and what they have used so far."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from agents.conversation import BudgetSpentError
from data.contracts.wording import ModelUse

_NOTHING = Decimal(0)


@dataclass(frozen=True)
class ModelBudget:
    """The most tokens and US dollars of one run and of one of its stages; None is no limit."""

    run_tokens: int | None = None
    stage_tokens: int | None = None
    run_usd: Decimal | None = None
    stage_usd: Decimal | None = None


@dataclass
class _Account:
    tokens: int = 0
    usd: Decimal = Decimal(0)

    def add(self, tokens: int, usd: Decimal) -> None:
        self.tokens += tokens
        self.usd += usd

    def has_room(
        self, tokens: int, usd: Decimal | None, most_tokens: int | None, most_usd: Decimal | None
    ) -> bool:
        """Whether a request fits. One of unknown cost does not fit into an amount of dollars."""
        return (most_tokens is None or self.tokens + tokens <= most_tokens) and (
            most_usd is None or (usd is not None and self.usd + usd <= most_usd)
        )


@dataclass
class Spending:
    """The account of one run. Agents that are asked side by side share it.

    A request reserves the most that it can use before it is sent, so that several requests at once
    do not go over the budget together.
    """

    budget: ModelBudget = field(default_factory=ModelBudget)
    _run: _Account = field(default_factory=_Account)
    _stages: defaultdict[str, _Account] = field(default_factory=lambda: defaultdict(_Account))

    def reserve(self, stage: str, tokens: int, usd: Decimal | None) -> None:
        """Set aside tokens and dollars. Raises BudgetSpentError, which names the account."""
        limits = self.budget
        if not self._run.has_room(tokens, usd, limits.run_tokens, limits.run_usd):
            raise BudgetSpentError("the run has used up its budget for chat models")
        if not self._stages[stage].has_room(tokens, usd, limits.stage_tokens, limits.stage_usd):
            raise BudgetSpentError("the stage has used up its budget for chat models")
        self._add(stage, tokens, usd or _NOTHING)

    def settle(self, stage: str, tokens: int, usd: Decimal | None, used: ModelUse | None) -> None:
        """Release a reservation, and book the actual use instead."""
        self._add(stage, -tokens, -(usd or _NOTHING))
        if used is not None:
            self.book(stage, used)

    def book(self, stage: str, used: ModelUse) -> None:
        """Count what a model has answered, in this execution or in an earlier one."""
        self._add(stage, used.tokens, used.cost_usd or _NOTHING)

    @property
    def tokens(self) -> int:
        """What is used and set aside."""
        return self._run.tokens

    def _add(self, stage: str, tokens: int, usd: Decimal) -> None:
        self._run.add(tokens, usd)
        self._stages[stage].add(tokens, usd)
