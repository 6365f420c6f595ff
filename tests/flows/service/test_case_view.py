"""A case in words: rules by their weight, what cost points, the price asked for, other runs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from data.contracts.errors import RecordNotFoundError
from data.contracts.policy import Recommendation, RuleStatus
from data.settings import settings
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger
from flows.service.case_view import case_view
from flows.service.queries import DeskQueries
from tests.flows.inline import persona
from tests.flows.waiting_desk import RUN, waiting


async def test_the_rules_that_were_hit_come_first_in_the_words_of_the_policy(
    ledger: Ledger,
) -> None:
    await waiting(ledger, persona("bora-borderline"))

    view = await ledger.read(case_view, RUN)

    assert view.recommendation is Recommendation.REFER
    first, second, *others = view.rules
    assert (first.label, first.condition) == (
        "The probability of default is 6 to 12 %",
        "pd ≥ 0.06 and pd ≤ 0.12",
    )
    assert second.rule_id == "dti-above-cap"
    assert {rule.status for rule in others} == {RuleStatus.NOT_HIT}
    lost = [Decimal(factor.points_lost) for factor in view.factors]
    assert lost == sorted(lost, reverse=True)
    assert view.factors[0].reason.startswith("Number of recent inquiries")


async def test_the_case_has_the_price_of_what_is_asked_and_the_documents_without_content(
    ledger: Ledger,
) -> None:
    bora = persona("bora-borderline")
    await waiting(ledger, bora)

    view = await ledger.read(case_view, RUN)

    assert view.offer is not None
    assert (view.offer.amount, view.offer.payment) == (Decimal("12000.00"), Decimal("381.27"))
    assert view.no_offer == ""
    assert {found.document_id for found in view.documents} == {
        found.document_id for found in bora.case.documents
    }
    assert bora.case.documents[0].content_base64 not in view.model_dump_json()


async def test_a_reason_to_decline_has_the_words_of_the_letter_and_other_alone_is_none(
    ledger: Ledger,
) -> None:
    await waiting(ledger, persona("bora-borderline"))

    view = await ledger.read(case_view, RUN)

    assert view.decline_reasons["R08"] == "Income insufficient for amount of credit requested"
    assert "R99" not in view.decline_reasons
    assert not any(code.startswith("X_") for code in view.decline_reasons)


async def test_other_runs_of_the_application_are_named(ledger: Ledger) -> None:
    bora = persona("bora-borderline")
    await waiting(ledger, bora)
    application_id = bora.case.application.application_id
    await ledger.write(runs.register, "run-9", "fork:9", application_id=application_id)

    view = await ledger.read(case_view, RUN)

    assert [other.run_id for other in view.earlier] == ["run-9"]


async def test_a_run_that_has_not_begun_has_no_case_yet(ledger: Ledger) -> None:
    bora = persona("bora-borderline")
    await waiting(ledger, bora)
    application_id = bora.case.application.application_id
    await ledger.write(runs.register, "run-9", "fork:9", application_id=application_id)

    with pytest.raises(RecordNotFoundError, match="has not begun yet"):
        await ledger.read(case_view, "run-9")


async def test_the_policy_of_a_run_is_explained_by_the_same_rules(ledger: Ledger) -> None:
    await waiting(ledger, persona("bora-borderline"))

    explained = await DeskQueries(settings(), ledger).policy(RUN)
    view = await ledger.read(case_view, RUN)

    by_id = {rule.rule_id: rule for rule in view.rules}
    assert {rule.rule_id: rule for rule in explained.rules} == by_id


async def test_a_case_whose_risk_is_not_known_has_no_price_and_says_why(ledger: Ledger) -> None:
    await waiting(ledger, persona("max-missing"))

    view = await ledger.read(case_view, RUN)

    assert view.offer is None
    assert view.no_offer
    assert (view.recommendation, view.rules, view.factors) == (None, (), ())
