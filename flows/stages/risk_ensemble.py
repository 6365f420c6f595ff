"""Risk ensemble: scorecard, challenger and affordability, combined into one grade."""

from __future__ import annotations

from typing import Any

from agents.credit_risk import combine_risk
from data.contracts.case import CaseFile
from data.contracts.findings import (
    AffordabilityFinding,
    BureauFinding,
    MemberFinding,
    RiskFinding,
    Verification,
)
from data.contracts.questions import ScoringQuestion
from flows.agent_registry import agents
from flows.runtime.execution.ask import Ask, ask
from flows.runtime.execution.fan_out import fan_out
from flows.runtime.execution.stage import stage
from tools.affordability import affordability_question


@stage("risk_ensemble")
async def assess_risk(
    case: CaseFile, verification: Verification, bureau: BureauFinding
) -> RiskFinding:
    """Ask each member that has enough data. The finding names the members that are missing."""
    book = agents().rulebook
    asks: dict[str, Ask[Any]] = {}
    if bureau.attributes is not None:
        scoring = ScoringQuestion(attributes=bureau.attributes)
        asks["scorecard"] = ask(agents().scorecard, scoring)
        asks["challenger"] = ask(agents().challenger, scoring)
    budget = affordability_question(
        case.application,
        verification.income,
        bureau,
        book.policy.affordability,
        book.prices.base_rate(book.prices.indicative_grade, case.application.term_months),
    )
    if budget is not None:
        asks["affordability"] = ask(agents().affordability, budget)
    answers = await fan_out(**asks)
    cards = (answers.get(name, MemberFinding) for name in ("scorecard", "challenger"))
    return combine_risk(
        [card for card in cards if card is not None],
        answers.get("affordability", AffordabilityFinding),
        book.ensemble,
        book.prices,
        book.policy.affordability,
    )
