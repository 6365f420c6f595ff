"""The rule engine and the shipped pack."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.bureau import IDENTITY_ALERTS, BureauAlert, BureauStatus
from data.contracts.decision import Grade
from data.contracts.errors import ToolError
from data.contracts.facts import PolicyFacts
from data.contracts.findings import (
    FraudBand,
    IdentityStatus,
    IncomeVerdict,
    KeyFactor,
)
from data.contracts.policy import (
    PolicyResult,
    ReasonCode,
    Recommendation,
    RuleOutcome,
    RuleStatus,
    Severity,
)
from data.contracts.screening import WatchlistStatus
from data.settings import Settings
from tools.policy import (
    broken_hard_rules,
    evaluate_policy,
    hard_stop,
    load_policy,
    pack_sha256,
    passes_on_terms,
    principal_reasons,
)

DATA = Settings().data_dir
PACK = load_policy(DATA)
AS_OF = date(2026, 11, 2)

CLEAN: dict[str, Any] = {
    "product": "personal_loan",
    "amount_requested": "10000",
    "term_months": 48,
    "state": "IL",
    "youngest_age": 40,
    "covered_borrower": False,
    "years_below_capacity": 0,
    "street_address": True,
    "apr_cap": "0.36",
    "identity_status": IdentityStatus.VERIFIED,
    "identity_document_expired": False,
    "watchlist_status": WatchlistStatus.CLEAR,
    "fraud_band": FraudBand.LOW,
    "fraud_score": 40,
    "fraud_signals_known": True,
    "income_verdict": IncomeVerdict.VERIFIED,
    "income_deviation": "0.02",
    "verified_monthly_income": "7200",
    "garnishment": False,
    "nsf_count": 0,
    "income_limit": "30240",
    "amount_over_income_limit": "-20240",
    "bureau_status": BureauStatus.HIT,
    "bureau_report_age_days": 0,
    "bureau_score": 785,
    "bureau_alerts": (),
    "unanswered_alerts": 0,
    "trades_open": 4,
    "thin_file": False,
    "worst_dpd_12m": 0,
    "worst_dpd_24m": 0,
    "current_dpd": 0,
    "inquiries_6m": 0,
    "public_record_24m": 0,
    "collections_open_amount": "0",
    "bankruptcy_open": False,
    "bankruptcy_discharged": False,
    "pd": "0.01",
    "grade": Grade.A,
    "disagreement": "0.2",
    "dti_before": "0.2",
    "dti_after": "0.24",
    "dti_stressed": "0.25",
    "payment_to_income": "0.04",
    "residual_margin": "3000",
    "residual_margin_stressed": "2980",
    "affordable_principal": "53000",
}


def _facts(**changes: Any) -> PolicyFacts:
    return PolicyFacts.model_validate(CLEAN | changes)


def _judge(**changes: Any) -> PolicyResult:
    return evaluate_policy(PACK, _facts(**changes), AS_OF)


def _hits(result: PolicyResult) -> set[str]:
    return {rule.rule_id for rule in result.results if rule.status is RuleStatus.HIT}


def test_a_clean_case_is_approved_without_reasons() -> None:
    result = _judge()

    assert result.recommendation is Recommendation.APPROVE
    assert _hits(result) == set()
    assert result.reasons == ()
    assert result.gates == ()


@pytest.mark.parametrize(
    ("changes", "rule", "reason"),
    [
        ({"watchlist_status": "true_match"}, "sanctions-true-match", ReasonCode.SANCTIONS_MATCH),
        ({"years_below_capacity": 1}, "below-legal-age", ReasonCode.BELOW_LEGAL_AGE),
        ({"bureau_alerts": ("ssn_deceased",)}, "ssn-deceased", ReasonCode.IDENTITY_UNVERIFIABLE),
        ({"state": "HI"}, "outside-lending-area", ReasonCode.OUTSIDE_LENDING_AREA),
        ({"product": "auto_loan"}, "product-not-offered", ReasonCode.TERMS_NOT_OFFERED),
        (
            {"amount_requested": "999.99"},
            "amount-outside-product",
            ReasonCode.AMOUNT_EXCEEDS_PRODUCT_LIMIT,
        ),
        (
            {"amount_requested": "50000.01"},
            "amount-outside-product",
            ReasonCode.AMOUNT_EXCEEDS_PRODUCT_LIMIT,
        ),
        ({"term_months": 11}, "term-outside-product", ReasonCode.TERMS_NOT_OFFERED),
        ({"term_months": 61}, "term-outside-product", ReasonCode.TERMS_NOT_OFFERED),
        ({"fraud_band": "critical"}, "fraud-critical", ReasonCode.FRAUD_SUSPECTED),
        ({"bankruptcy_open": True}, "bankruptcy-open", ReasonCode.BANKRUPTCY),
        (
            {"bankruptcy_discharged": True, "months_since_bankruptcy_discharge": 23},
            "bankruptcy-recent",
            ReasonCode.BANKRUPTCY,
        ),
        ({"current_dpd": 60}, "currently-60-days-past-due", ReasonCode.DELINQUENT_OBLIGATIONS),
        (
            {"collections_open_amount": "500.01"},
            "open-collections",
            ReasonCode.COLLECTION_OR_JUDGMENT,
        ),
        ({"dti_after": "0.500001"}, "dti-above-limit", ReasonCode.EXCESSIVE_OBLIGATIONS),
        ({"pd": "0.120001"}, "pd-above-limit", ReasonCode.DELINQUENT_OBLIGATIONS),
        ({"bureau_score": 579}, "bureau-score-below-minimum", ReasonCode.DELINQUENT_OBLIGATIONS),
    ],
)
def test_every_knock_out_declines_with_its_reason(
    changes: dict[str, Any], rule: str, reason: ReasonCode
) -> None:
    result = _judge(**changes)

    assert result.recommendation is Recommendation.DECLINE
    assert rule in _hits(result)
    assert result.reasons[0] is reason


@pytest.mark.parametrize(
    "changes",
    [
        {"years_below_capacity": 0},
        {"bankruptcy_discharged": True, "months_since_bankruptcy_discharge": 24},
        {"current_dpd": 59},
        {"collections_open_amount": "500"},
        {"inquiries_6m": 6},
        {"pd": "0.059999"},
        {"bureau_score": 640},
        {"dti_after": "0.43"},
        {"income_deviation": "0.25"},
        {"income_deviation": "-0.4"},
        {"disagreement": "0.7"},
        {"residual_margin": "0"},
        {"residual_margin_stressed": "0"},
        {"amount_over_income_limit": "0"},
        {"amount_requested": "35000"},
    ],
)
def test_a_case_just_inside_a_limit_is_approved(changes: dict[str, Any]) -> None:
    assert _judge(**changes).recommendation is Recommendation.APPROVE


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"identity_status": "partial"}, "identity-not-verified"),
        ({"identity_document_expired": True}, "identity-document-expired"),
        ({"bureau_alerts": (BureauAlert.ACTIVE_DUTY,)}, "bureau-alert"),
        ({"fraud_band": "medium"}, "fraud-elevated"),
        ({"fraud_band": "high"}, "fraud-elevated"),
        ({"fraud_band": None}, "fraud-unanswered"),
        ({"fraud_signals_known": False}, "fraud-unanswered"),
        ({"covered_borrower": None}, "covered-borrower-unknown"),
        ({"apr_cap": None}, "no-price-in-state"),
        ({"bureau_report_age_days": 31}, "bureau-report-stale"),
        ({"bureau_score": None}, "bureau-score-unusable"),
        ({"income_verdict": None}, "income-unverified"),
        ({"income_verdict": "unverifiable"}, "income-unverified"),
        ({"income_deviation": "0.250001"}, "income-discrepant"),
        ({"bureau_status": None}, "bureau-unanswered"),
        ({"bureau_status": "error"}, "bureau-unanswered"),
        ({"bureau_status": "no_hit"}, "no-credit-file"),
        ({"thin_file": True}, "thin-file"),
        ({"pd": "0.06"}, "pd-elevated"),
        ({"pd": "0.12"}, "pd-elevated"),
        ({"bureau_score": 580}, "bureau-score-low"),
        ({"bureau_score": 639}, "bureau-score-low"),
        ({"disagreement": "0.700001"}, "models-disagree"),
        ({"inquiries_6m": 7}, "many-inquiries"),
        ({"residual_margin": "-0.01"}, "residual-income-low"),
        ({"residual_margin_stressed": "-0.01"}, "residual-income-low-when-stressed"),
        ({"amount_requested": "35000.01"}, "amount-above-automatic-authority"),
    ],
)
def test_every_refer_rule_asks_an_underwriter(changes: dict[str, Any], rule: str) -> None:
    result = _judge(**changes)

    assert result.recommendation is Recommendation.REFER
    assert rule in result.refer_reasons
    assert result.gates == ("underwriter",)


@pytest.mark.parametrize("alert", sorted(IDENTITY_ALERTS))
def test_every_alert_that_requires_a_proof_of_identity_refers(alert: BureauAlert) -> None:
    assert "bureau-alert" in _judge(bureau_alerts=(alert,)).refer_reasons


def test_a_potential_match_is_for_compliance() -> None:
    assert _judge(watchlist_status="potential").gates == ("compliance",)


def test_two_kinds_of_questions_open_two_gates() -> None:
    result = _judge(watchlist_status="potential", thin_file=True)

    assert result.gates == ("compliance", "underwriter")


OPTIONAL = sorted(
    name for name, field in PolicyFacts.model_fields.items() if not field.is_required()
)
NOT_RULED_UPON = {
    "degraded_texts",
    "reading_differences",
    "fraud_score",
    "verified_monthly_income",
    "garnishment",
    "nsf_count",
    "income_limit",
    "unanswered_alerts",
    "trades_open",
    "worst_dpd_12m",
    "worst_dpd_24m",
    "public_record_24m",
    "utilization_revolving",
    "months_since_bankruptcy_discharge",
    "grade",
    "dti_before",
    "dti_front",
    "dti_stressed",
    "payment_to_income",
    "affordable_principal",
}


@pytest.mark.parametrize("fact", [name for name in OPTIONAL if name not in NOT_RULED_UPON])
def test_an_unknown_fact_never_approves(fact: str) -> None:
    result = _judge(**{fact: None})

    assert result.recommendation in (Recommendation.REFER, Recommendation.INCOMPLETE)


@given(
    st.sets(st.sampled_from([name for name in OPTIONAL if name not in NOT_RULED_UPON]), min_size=1)
)
def test_any_number_of_unknown_facts_never_approves(missing: set[str]) -> None:
    result = _judge(**dict.fromkeys(missing))

    assert result.recommendation in (Recommendation.REFER, Recommendation.INCOMPLETE)


@pytest.mark.parametrize("fact", ["identity_status", "watchlist_status"])
def test_without_an_identity_the_case_is_incomplete(fact: str) -> None:
    assert _judge(**{fact: None}).recommendation is Recommendation.INCOMPLETE


def test_a_case_without_findings_is_not_evaluable() -> None:
    bare = {name: CLEAN[name] for name in CLEAN if name not in OPTIONAL}

    result = evaluate_policy(PACK, PolicyFacts.model_validate(bare), AS_OF)

    statuses = {rule.rule_id: rule.status for rule in result.results}
    assert statuses["dti-above-limit"] is RuleStatus.NOT_EVALUABLE
    assert statuses["outside-lending-area"] is RuleStatus.NOT_HIT
    assert result.recommendation is Recommendation.INCOMPLETE


def test_one_known_part_can_settle_a_rule_whose_other_part_is_unknown() -> None:
    statuses = {rule.rule_id: rule.status for rule in _judge(bankruptcy_discharged=False).results}

    assert statuses["bankruptcy-recent"] is RuleStatus.NOT_HIT


def test_every_rule_is_evaluated_and_shows_what_it_looked_at() -> None:
    result = _judge(years_below_capacity=1, dti_after="0.6", bankruptcy_open=None)

    assert [rule.rule_id for rule in result.results] == [rule.id for rule in PACK.rules]
    by_id = {rule.rule_id: rule for rule in result.results}
    assert by_id["dti-above-limit"].inputs == {"dti_after": "0.6"}
    assert by_id["bankruptcy-open"].inputs == {"bankruptcy_open": None}
    assert by_id["below-legal-age"].inputs == {"years_below_capacity": "1"}


def test_a_decline_outranks_a_frozen_file_and_a_referral() -> None:
    result = _judge(bureau_status="frozen", fraud_band="critical", thin_file=True)

    assert result.recommendation is Recommendation.DECLINE


def test_a_frozen_file_is_incomplete_and_says_what_to_do() -> None:
    result = _judge(bureau_status="frozen", thin_file=True)

    assert result.recommendation is Recommendation.INCOMPLETE
    assert [stipulation.code for stipulation in result.stipulations] == ["lift_freeze"]


def test_too_large_a_loan_is_countered_with_its_caps() -> None:
    result = _judge(
        dti_after="0.49",
        affordable_principal="12526.78",
        amount_over_income_limit="3160",
        income_limit="21840",
    )

    assert result.recommendation is Recommendation.COUNTER_OFFER
    assert [(cap.rule_id, cap.amount) for cap in result.caps] == [
        ("dti-above-cap", Decimal("12526.78")),
        ("amount-above-income-limit", Decimal(21840)),
    ]
    assert result.reasons == (ReasonCode.EXCESSIVE_OBLIGATIONS, ReasonCode.INCOME_INSUFFICIENT)


def test_a_question_for_a_person_comes_before_a_counter_offer() -> None:
    result = _judge(dti_after="0.44", affordable_principal="9000", pd="0.08")

    assert result.recommendation is Recommendation.REFER
    assert result.caps


def test_without_room_for_the_smallest_loan_a_person_decides() -> None:
    result = _judge(dti_after="0.49", affordable_principal="999.99")

    assert result.recommendation is Recommendation.REFER
    assert result.gates == ("underwriter",)


def test_a_sanctions_match_hides_every_other_reason() -> None:
    result = _judge(watchlist_status="true_match", dti_after="0.6")

    assert result.reasons == (ReasonCode.SANCTIONS_MATCH,)
    assert principal_reasons(result.reasons) == ()


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({"watchlist_status": "true_match"}, True),
        ({"years_below_capacity": 1}, True),
        ({"state": "HI"}, True),
        ({"bureau_alerts": ("ssn_deceased",)}, True),
        ({"fraud_band": "critical"}, False),
        ({"bureau_status": "frozen"}, False),
    ],
)
def test_only_a_hard_decline_stops_everything(changes: dict[str, Any], stops: bool) -> None:
    assert hard_stop(_judge(**changes)) is stops


def test_a_disputable_decline_goes_to_a_reviewer_unless_another_rule_declines() -> None:
    assert _judge(collections_open_amount="940").gates == ("underwriter",)
    assert _judge(collections_open_amount="940", dti_after="0.6").gates == ()


def _factor(code: ReasonCode, lost: str) -> KeyFactor:
    return KeyFactor(attribute="any", code=code, points_lost=Decimal(lost))


def test_the_reasons_for_a_low_score_are_the_factors_of_the_score() -> None:
    factors = (_factor(ReasonCode.RECENT_INQUIRIES, "20"), _factor(ReasonCode.BANKRUPTCY, "9"))

    result = evaluate_policy(PACK, _facts(pd="0.2"), AS_OF, factors)

    assert result.reasons == (ReasonCode.RECENT_INQUIRIES, ReasonCode.BANKRUPTCY)


def test_hard_reasons_rank_before_soft_ones() -> None:
    result = _judge(years_below_capacity=1, fraud_band="critical", dti_after="0.6")

    assert result.reasons[0] is ReasonCode.BELOW_LEGAL_AGE


def test_a_notice_shows_four_reasons_at_most_and_no_internal_one() -> None:
    shown = principal_reasons(
        [
            ReasonCode.FRAUD_SUSPECTED,
            ReasonCode.VELOCITY,
            ReasonCode.BANKRUPTCY,
            ReasonCode.BANKRUPTCY,
            ReasonCode.RECENT_INQUIRIES,
            ReasonCode.NO_CREDIT_FILE,
            ReasonCode.GARNISHMENT,
        ]
    )

    assert shown == (
        ReasonCode.IDENTITY_UNVERIFIABLE,
        ReasonCode.BANKRUPTCY,
        ReasonCode.RECENT_INQUIRIES,
        ReasonCode.NO_CREDIT_FILE,
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bureau_report_age_days": 31}, "refresh_credit_report"),
        ({"covered_borrower": None}, "confirm_covered_borrower"),
    ],
)
def test_a_referral_can_ask_for_something(changes: dict[str, Any], code: str) -> None:
    result = _judge(**changes)

    assert result.recommendation is Recommendation.REFER
    assert [stipulation.code for stipulation in result.stipulations] == [code]


def test_a_stipulation_goes_along_with_an_approval() -> None:
    result = _judge(income_deviation="0.11")

    assert result.recommendation is Recommendation.APPROVE
    assert [stipulation.code for stipulation in result.stipulations] == ["confirm_income"]


def test_without_a_street_address_the_case_is_incomplete_and_the_address_is_asked_for() -> None:
    result = _judge(street_address=False)

    assert result.recommendation is Recommendation.INCOMPLETE
    assert [stipulation.code for stipulation in result.stipulations] == ["street_address_required"]


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"thin_file": True}, True),
        ({"income_deviation": "0.2"}, True),
        ({"dti_after": "0.6"}, False),
    ],
)
def test_only_rules_about_the_terms_are_asked_whether_other_terms_pass(
    changes: dict[str, Any], passes: bool
) -> None:
    assert passes_on_terms(PACK, _facts(**changes), AS_OF) is passes


def test_the_hard_rules_that_hit_are_found_without_the_others() -> None:
    changes = {"years_below_capacity": 1, "dti_after": "0.6"}
    hard = [
        result.rule_id
        for result in _judge(**changes).results
        if result.status is RuleStatus.HIT and result.severity is Severity.HARD
    ]

    assert [rule.id for rule in broken_hard_rules(PACK, _facts(**changes), AS_OF)] == hard != []


def test_a_rule_counts_only_while_it_is_in_force() -> None:
    rule = PACK.rules[0].model_copy(
        update={"effective_from": date(2026, 2, 1), "effective_to": date(2026, 3, 1)}
    )
    pack = PACK.model_copy(update={"rules": (rule,)})

    for day in (date(2026, 2, 1), date(2026, 3, 1)):
        assert len(evaluate_policy(pack, _facts(), day).results) == 1
    for day in (date(2026, 1, 31), date(2026, 3, 2)):
        with pytest.raises(ToolError, match="in force"):
            evaluate_policy(pack, _facts(), day)


def test_the_result_pins_the_pack_it_comes_from() -> None:
    result = _judge()

    assert (result.pack_id, result.pack_version) == (PACK.id, PACK.version)
    assert result.pack_sha256 == pack_sha256(PACK)


def test_another_figure_gives_another_hash() -> None:
    terms = PACK.affordability.model_copy(update={"dti_cap": Decimal("0.44")})

    assert pack_sha256(PACK.model_copy(update={"affordability": terms})) != pack_sha256(PACK)


def test_every_outcome_of_the_language_is_used_by_the_shipped_pack() -> None:
    assert {rule.outcome for rule in PACK.rules} == set(RuleOutcome)
