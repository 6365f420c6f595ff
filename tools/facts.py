"""Turns the findings of the agents into the facts that the policy uses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from data.contracts.application import Application
from data.contracts.bureau import IDENTITY_ALERTS
from data.contracts.facts import PolicyFacts
from data.contracts.findings import (
    AffordabilityFinding,
    BureauFinding,
    FindingStatus,
    IdentityDocumentStatus,
    IncomeFinding,
    KycFinding,
    RiskFinding,
    Verification,
)
from data.contracts.policy import AffordabilityTerms, RulePack
from data.contracts.prices import PriceTable
from data.contracts.wording import MODEL_DEGRADED
from tools.affordability import income_limit


def policy_facts(
    application: Application,
    pack: RulePack,
    prices: PriceTable,
    verification: Verification | None = None,
    bureau: BureauFinding | None = None,
    risk: RiskFinding | None = None,
) -> PolicyFacts:
    """All facts for the policy. A fact without a finding stays None.

    The law of residence follows from the addresses: `state` of the application has no part in it.
    """
    day = application.as_of_date
    verified = verification or Verification()
    known: dict[str, Any] = {
        "product": application.product,
        "amount_requested": application.amount_requested,
        "term_months": application.term_months,
        "youngest_age": min(applicant.age_on(day) for applicant in application.applicants),
        "covered_borrower": _any_known(
            applicant.military_covered_borrower for applicant in application.applicants
        ),
    }
    known |= _residence(application, pack, prices)
    asked = (verified.kyc, verified.fraud, verified.income, bureau)
    if found := [finding for finding in asked if finding is not None]:
        known["degraded_texts"] = sum(MODEL_DEGRADED in finding.warnings for finding in found)
    if verified.kyc is not None:
        known |= _identity(verified.kyc)
    if verified.fraud is not None:
        known |= {
            "fraud_band": verified.fraud.band,
            "fraud_score": verified.fraud.score,
            # A degraded finding has judged the file and documents, and no device or network.
            "fraud_signals_known": verified.fraud.status is FindingStatus.OK,
        }
    if verified.income is not None:
        known |= _income(verified.income, application.amount_requested, pack.affordability)
    if bureau is not None:
        known |= _bureau(bureau, verified.kyc, day)
    if risk is not None:
        known |= {"pd": risk.pd_ensemble, "grade": risk.grade, "disagreement": risk.disagreement}
        known |= _ability(risk.ability) if risk.ability else {}
    return PolicyFacts(**known)


def facts_with_terms(
    facts: PolicyFacts, ability: AffordabilityFinding | None, *, amount: Decimal, term_months: int
) -> PolicyFacts:
    """The facts of the same case with another loan. `ability` must be computed for that loan."""
    changed: dict[str, Any] = {"amount_requested": amount, "term_months": term_months}
    if facts.income_limit is not None:
        changed["amount_over_income_limit"] = amount - facts.income_limit
    if ability is not None:
        changed |= _ability(ability)
    return PolicyFacts.model_validate(dict(facts) | changed)


def _residence(application: Application, pack: RulePack, prices: PriceTable) -> dict[str, Any]:
    """The facts that follow from where the applicants live; of two states the stricter counts."""
    day, people = application.as_of_date, application.applicants
    homes = [applicant.residence_on(day) for applicant in people]
    states = [home.state for home in homes]
    caps = [prices.apr_caps.in_state(state) for state in states]
    strictest = min(range(len(people)), key=lambda place: caps[place] or 0)
    known: dict[str, Any] = {
        "state": states[strictest],
        "apr_cap": caps[strictest],
        "street_address": all(applicant.street_address_on(day) for applicant in people),
    }
    if pack.capacity is not None:
        lacking = [
            pack.capacity.age_in(state) - applicant.age_on(day)
            for state, applicant in zip(states, people, strict=True)
        ]
        known["years_below_capacity"] = max(0, *lacking)
    return known


def _any_known(answers: Iterable[bool | None]) -> bool | None:
    """True when one answer is, None when no answer is true and one is missing."""
    given = set(answers)
    return True if True in given else None if None in given else False


def _identity(kyc: KycFinding) -> dict[str, Any]:
    return {
        "identity_status": kyc.identity_status,
        "identity_document_expired": any(
            match.document_status is IdentityDocumentStatus.EXPIRED for match in kyc.matches
        ),
        "watchlist_status": kyc.watchlist.status,
    }


def _income(income: IncomeFinding, amount: Decimal, terms: AffordabilityTerms) -> dict[str, Any]:
    known: dict[str, Any] = {
        "income_verdict": income.verdict,
        "income_deviation": income.deviation,
        "verified_monthly_income": income.verified_monthly,
        "garnishment": income.garnishment,
        "nsf_count": income.nsf_count,
    }
    if income.verified_monthly is not None:
        limit = income_limit(income.verified_monthly, terms)
        known |= {"income_limit": limit, "amount_over_income_limit": amount - limit}
    return known


def _bureau(bureau: BureauFinding, kyc: KycFinding | None, as_of: date) -> dict[str, Any]:
    handled = set(kyc.alerts_handled) if kyc else set()
    known: dict[str, Any] = {
        "bureau_status": bureau.bureau_status,
        "bureau_score": bureau.score.value if bureau.score else None,
        "bureau_alerts": bureau.alerts,
        "unanswered_alerts": len((set(bureau.alerts) & IDENTITY_ALERTS) - handled),
    }
    if bureau.report_date is not None:
        known["bureau_report_age_days"] = max(0, (as_of - bureau.report_date).days)
    if (found := bureau.attributes) is not None:
        known |= {
            "trades_open": found.trades_open,
            "thin_file": found.thin_file,
            "worst_dpd_12m": found.worst_dpd_12m,
            "worst_dpd_24m": found.worst_dpd_24m,
            "current_dpd": found.current_dpd,
            "inquiries_6m": found.inquiries_6m,
            "public_record_24m": found.public_record_24m,
            "collections_open_amount": found.collections_open_amount,
            "bankruptcy_open": found.bankruptcy_open,
            "bankruptcy_discharged": found.months_since_bankruptcy_discharge is not None,
            "months_since_bankruptcy_discharge": found.months_since_bankruptcy_discharge,
            "utilization_revolving": found.utilization_revolving,
        }
    return known


def _ability(ability: AffordabilityFinding) -> dict[str, Any]:
    return {
        "dti_front": ability.dti_front,
        "dti_before": ability.dti_before,
        "dti_after": ability.dti_after,
        "dti_stressed": ability.dti_stressed,
        "payment_to_income": ability.pti,
        "residual_margin": ability.residual_income - ability.residual_floor,
        "residual_margin_stressed": ability.residual_income_stressed - ability.residual_floor,
        "affordable_principal": ability.max_principal,
    }
