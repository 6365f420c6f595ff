"""What a ruling would bring, before it is given."""

from __future__ import annotations

from data.contracts.base import Contract
from data.contracts.decision import Condition, Offer, Outcome
from data.contracts.notices import Notice
from data.contracts.policy import ReasonCode, RuleResult


class RulingPreview(Contract):
    """The rest of the run with one answer, executed and not stored.

    Where a second person has to agree, everything is as if they did.
    """

    run_id: str
    request_id: str
    """The request that the answer is for."""
    gate: str
    decision: str
    needs_second_person: bool = False
    """Whether the ruling counts only when a second person agrees."""
    is_override: bool = False
    """Whether the ruling grants what the policy would decline."""
    asks_next: str = ""
    """The gate that would ask a person next; empty when the case would be decided."""
    outcome: Outcome | None = None
    """None when another gate would ask first."""
    offer: Offer | None = None
    """Rate, APR, payment and all other figures of the loan that would be offered."""
    alternatives: tuple[Offer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    principal_reasons: tuple[ReasonCode, ...] = ()
    """The reasons that the applicant would be given."""
    letters: tuple[Notice, ...] = ()
    """What each applicant would be sent today."""
    rules: tuple[RuleResult, ...] = ()
    """The rules that hit on the terms that would be granted, or that lack a fact."""
