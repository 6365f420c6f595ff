"""The facts that the policy sees of a case, and the facts that stay unknown."""

from decimal import Decimal

from data.contracts.bureau import BureauAlert, BureauStatus
from data.contracts.facts import TERM_FACTS, PolicyFacts, fact_item_type, fact_type
from data.contracts.findings import BureauFinding
from data.settings import Settings
from tools.case_files import load_case
from tools.facts import facts_with_terms, policy_facts
from tools.policy import load_policy
from tools.pricing import load_prices

DATA = Settings().data_dir
PACK, PRICES = load_policy(DATA), load_prices(DATA)


def test_before_any_finding_only_the_application_is_known() -> None:
    facts = policy_facts(load_case(DATA, "ada-prime").application, PACK, PRICES)

    known = {name for name, value in facts if value is not None}

    assert known == {
        "product",
        "amount_requested",
        "term_months",
        "state",
        "youngest_age",
        "covered_borrower",
        "years_below_capacity",
        "street_address",
        "apr_cap",
    }


def test_the_younger_of_two_applicants_decides_about_the_age() -> None:
    application = load_case(DATA, "jo-kit-joint").application
    ages = [applicant.age_on(application.as_of_date) for applicant in application.applicants]

    assert policy_facts(application, PACK, PRICES).youngest_age == min(ages)


def test_a_closed_file_leaves_its_facts_unknown() -> None:
    bureau = BureauFinding(
        agent="credit_risk.bureau", agent_version="1", bureau_status=BureauStatus.FROZEN
    )

    facts = policy_facts(load_case(DATA, "fay-freeze").application, PACK, PRICES, bureau=bureau)

    assert facts.bureau_status is BureauStatus.FROZEN
    assert facts.bankruptcy_open is None
    assert facts.thin_file is None


def test_an_alert_without_a_proof_of_identity_is_counted() -> None:
    bureau = BureauFinding(
        agent="credit_risk.bureau",
        agent_version="1",
        bureau_status=BureauStatus.HIT,
        alerts=(BureauAlert.ACTIVE_DUTY, BureauAlert.ADDRESS_DISCREPANCY),
    )

    facts = policy_facts(load_case(DATA, "alma-alert").application, PACK, PRICES, bureau=bureau)

    assert facts.unanswered_alerts == 1


def test_other_terms_change_only_facts_about_terms() -> None:
    facts = policy_facts(load_case(DATA, "ada-prime").application, PACK, PRICES).model_copy(
        update={"income_limit": Decimal(20000), "amount_over_income_limit": Decimal(-10000)}
    )

    changed = facts_with_terms(facts, None, amount=Decimal(21000), term_months=60)

    differing = {name for name, value in changed if value != getattr(facts, name)}
    assert differing == {"amount_requested", "term_months", "amount_over_income_limit"}
    assert differing <= TERM_FACTS
    assert changed.amount_over_income_limit == 1000


def test_every_fact_about_terms_exists() -> None:
    assert set(PolicyFacts.model_fields) >= TERM_FACTS


def test_the_types_of_facts_are_plain() -> None:
    assert fact_type("pd") is Decimal
    assert fact_type("bureau_score") is int
    assert fact_type("thin_file") is bool
    assert fact_type("state") is str
    assert fact_type("bureau_alerts") is tuple
    assert fact_item_type("bureau_alerts") is BureauAlert
