"""The people who answer at the gates, and a form about Bora for them to fill in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from data.contracts.decision import Grade
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from data.contracts.underwriting import Evidence, ReviewFacts
from data.settings import settings
from flows.case import ReviewCase, with_overrides
from flows.review_forms import (
    bound,
    form_at,
)
from flows.rulebook import current_rulebook
from flows.runtime.execution.gate_form import filled_in
from tests.flows.inline import persona

BOOK = current_rulebook(settings().data_dir)
BORA = persona("bora-borderline").case

FACTS = ReviewFacts(
    amount=Decimal("12000.00"),
    term_months=36,
    grade=Grade.C,
    smallest_amount=Decimal("1000.00"),
    largest_amount=Decimal("50000.00"),
    shortest_term=12,
    longest_term=60,
    lowest_rate=Decimal("0.0599"),
    highest_rate=Decimal("0.2999"),
)
UNA = Answerer(reviewer="Una", roles=(Role.UNDERWRITER,), channel=Channel.HTTP, proven=True)
SVEN = Answerer(
    reviewer="Sven", roles=(Role.SENIOR_UNDERWRITER,), channel=Channel.HTTP, proven=True
)
COLIN = Answerer(reviewer="Colin", roles=(Role.COMPLIANCE,), channel=Channel.HTTP, proven=True)
INA = Answerer(reviewer="Ina", roles=(Role.INTAKE,), channel=Channel.HTTP)
VERA = Answerer(reviewer="Vera", roles=(Role.VIEWER,), channel=Channel.HTTP)
COMPOSED, DECOMPOSED = "Agn\u00e8s", "Agne\u0300s"
"""One name in NFC and in NFD."""
ROLES = {
    "documents": Role.INTAKE,
    "compliance": Role.COMPLIANCE,
    "underwriter": Role.UNDERWRITER,
    "second_approval": Role.SENIOR_UNDERWRITER,
}


def unproven(who: Answerer) -> Answerer:
    return who.model_copy(update={"proven": False})


def keyed(who: Answerer) -> Answerer:
    """The same person, answering while the desk has keys."""
    return who.model_copy(update={"keyed": True})


def check(gate: str, by: Answerer, facts: dict[str, Any] | None = None, **fields: Any) -> None:
    """Fill in a form about Bora, of whom little is known, and hold it to its rules."""
    known = FACTS.model_dump(mode="json") | (facts or {})
    case = with_overrides(BORA, {"amount_requested": known["amount"]})
    if gate == "documents":
        known = {"on_file": ["paystub"]}
    request = ReviewRequest(role=ROLES[gate], title="t", summary="s", facts=known)
    plain = {"reviewer": by.reviewer, "reason": "seen and considered"}
    form = bound(form_at(gate), ReviewCase(case, Evidence(), BOOK))
    filled_in(form, plain | fields).check(request, by)
