"""What a rulebook says about an application on its own: the common form of runs, rows and what-ifs.

A case that people have ruled on counts as referred, also when they came to a decision: how they
would rule under another rulebook is not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from data.contracts.canary import Measured
from data.contracts.decision import DecisionContent, Outcome
from data.contracts.errors import CreditDeskError, WorkflowError, as_desk_error
from data.contracts.scorecard import Ensemble
from data.contracts.underwriting import Underwriting
from data.contracts.what_if import Judged, Verdict
from data.rounding import rate
from flows.inline import Decided, Underwritten
from tools.ensemble import expected_loss

_DOCUMENTS = "documents"

_VERDICTS = {
    Outcome.APPROVE: Verdict.APPROVE,
    Outcome.COUNTER_OFFER: Verdict.COUNTER_OFFER,
    Outcome.DECLINE: Verdict.DECLINE,
    Outcome.INCOMPLETE: Verdict.INCOMPLETE,
    Outcome.WITHDRAWN: Verdict.INCOMPLETE,
}


def judged(content: DecisionContent, ensemble: Ensemble) -> Judged:
    """A decision as the desk alone comes to it."""
    verdict = Verdict.REFER if content.rulings else _VERDICTS[content.outcome]
    reasons = [reason.value for reason in content.principal_reasons]
    plain = {
        "verdict": verdict,
        "pd": content.pd,
        "grade": content.grade.value if content.grade else "",
        "reasons": () if content.rulings else tuple(reasons),
    }
    if verdict is not Verdict.APPROVE or content.offer is None:
        return Judged.model_validate(plain)
    amount, pd = content.offer.amount, content.pd
    loss = expected_loss(pd, amount, ensemble) if pd is not None else None
    offered = {"amount": amount, "rate": content.offer.rate, "expected_loss": loss}
    return Judged.model_validate(plain | offered)


def judged_at_gate(state: Underwriting, gate: str) -> Judged:
    """A case that waits for a person, as its state stands."""
    risk = state.risk_ensemble
    return Judged(
        verdict=Verdict.INCOMPLETE if gate == _DOCUMENTS else Verdict.REFER,
        pd=risk.pd_ensemble if risk else None,
        grade=risk.grade.value if risk and risk.grade else "",
    )


def judged_attempt(found: Underwritten | CreditDeskError, ensemble: Ensemble) -> Judged:
    """What an inline run came to."""
    if isinstance(found, CreditDeskError):
        return Judged(verdict=Verdict.FAILED, reasons=(found.code,))
    if isinstance(found, Decided):
        return judged(found.content, ensemble)
    return judged_at_gate(Underwriting.model_validate(found.checkpoint.state), found.gate)


async def measured_attempt(
    attempt: Awaitable[Underwritten], ensemble: Ensemble, limit: float | None = None
) -> tuple[Underwritten | CreditDeskError, dict[str, Any]]:
    """What an inline run came to within so many seconds, and the same as a canary measures it.

    An error is a measurement of the bundle that was tried, whatever it is: a fault of a challenger
    must not become one of the desk.
    """
    found: Underwritten | CreditDeskError
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            found = await attempt
    except Exception as error:
        found = as_desk_error(error, WorkflowError)
    seconds = time.perf_counter() - began
    judgement = judged_attempt(found, ensemble)
    return found, measured(judgement, seconds=seconds).model_dump(mode="json")


def measured(
    found: Judged, *, seconds: float | None = None, cost_usd: float | None = 0.0, **flags: bool
) -> Measured:
    """A judgement as a canary measures it. Cases about which people are asked have no time: it
    would be theirs."""
    is_referred = found.verdict is Verdict.REFER
    loss = found.expected_loss / found.amount if found.expected_loss and found.amount else None
    return Measured(
        verdict=found.verdict,
        rate=found.rate,
        loss_rate=rate(loss) if loss is not None else None,
        seconds=None if is_referred or seconds is None else round(seconds, 4),
        cost_usd=cost_usd,
        is_referred=is_referred,
        **flags,
    )
