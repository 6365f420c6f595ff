"""An evaluation as evidence: what a canary sees in a report, and what it misses, by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from data.contracts.base import sha256_of
from data.contracts.canary import EvaluationTerms
from data.contracts.evaluation import AgentEvaluation, Evaluation, FieldAgreement
from data.contracts.wording import ModelUse
from tools.evaluation_terms import missing_evaluation, seen

POLICY = "a" * 64
TERMS = EvaluationTerms(
    agreement=Decimal("0.95"),
    fallbacks=Decimal("0.1"),
    cost_per_case_usd=Decimal("0.01"),
    model="gpt-4.1-mini",
)


def evaluation(policy: str = POLICY, **changes: Any) -> Evaluation:
    """A report on 20 cases: 40 texts, 2 fallbacks, 0.10 dollars; `grade` agrees in 19."""
    agents = {
        name: AgentEvaluation(
            texts=20,
            accepted=20 - lost,
            refusals=3,
            fallbacks={"refused": lost} if lost else {},
            latency_ms_median=5.0,
            latency_ms_max=9.0,
            use=ModelUse(model="gpt-4.1-mini"),
        )
        for name, lost in (("kyc", 2), ("income", 0))
    }
    fields = {
        "outcome": FieldAgreement(cases=20, agreed=20),
        "grade": FieldAgreement(cases=20, agreed=20),
    }
    plain: dict[str, Any] = {
        "backend": "chat",
        "model": "gpt-4.1-mini",
        "prompt": "credit-desk.1",
        "policy_sha256": policy,
        "cases": 20,
        "fields": fields,
        "differing": {},
        "agents": agents,
        "total": ModelUse(model="gpt-4.1-mini", cost_usd=Decimal("0.10")),
    }
    return Evaluation(**plain | changes)


def one_differs() -> dict[str, FieldAgreement]:
    return {"grade": FieldAgreement(cases=20, agreed=18)}


def test_a_canary_sees_the_field_that_agrees_least_the_fallbacks_and_the_cost() -> None:
    report = evaluation(fields=evaluation().fields | one_differs())

    found = seen(report)

    assert (found.least_agreed, found.agreement) == ("grade", Decimal("0.9"))
    assert (found.texts, found.fallbacks) == (40, Decimal("0.05"))
    assert found.cost_per_case_usd == Decimal("0.005")
    assert found.sha256 == sha256_of(report)


def test_a_report_within_all_terms_leaves_nothing_missing() -> None:
    assert missing_evaluation(TERMS, seen(evaluation()), POLICY) == ()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"fields": one_differs()}, "agreement of grade is 0.9, at least 0.95"),
        ({"fields": {}}, "agreement of no field is 0, at least 0.95"),
        ({"cases": 19}, "cases: 19 of 20"),
        ({"model": "gpt-4o"}, "the report is not about gpt-4.1-mini"),
        ({"policy_sha256": "b" * 64}, "the report is about another policy than the challenger's"),
        (
            {"total": ModelUse(model="gpt-4.1-mini", cost_usd=None)},
            "cost per case is not known, at most 0.01",
        ),
        (
            {"total": ModelUse(model="gpt-4.1-mini", cost_usd=Decimal("0.30"))},
            "cost per case is 0.015, at most 0.01",
        ),
        ({"agents": {}}, "no chat model was asked"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], missing: str) -> None:
    assert missing_evaluation(TERMS, seen(evaluation(**changes)), POLICY) == (
        f"evaluation: {missing}",
    )


def test_without_a_report_and_with_too_many_fallbacks_the_terms_are_not_met() -> None:
    strict = TERMS.model_copy(update={"fallbacks": Decimal("0.01")})

    assert missing_evaluation(TERMS, None, POLICY) == (
        "evaluation: no report of `credit-desk evaluate`",
    )
    assert missing_evaluation(strict, seen(evaluation()), POLICY) == (
        "evaluation: fallbacks are 0.05 of the texts, at most 0.01",
    )
