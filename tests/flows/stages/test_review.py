"""Review: who is asked, in which order, and what ends it."""

from __future__ import annotations

import re
from datetime import date

import pytest

from data.contracts.errors import AuthorityError
from data.contracts.facts import PolicyFacts
from data.contracts.review import Person, Role
from data.contracts.underwriting import Review, ReviewFacts, Verdict
from data.settings import Settings
from flows.case_summary import why
from flows.rulebook import current_rulebook
from flows.runtime.execution.gatekeeper import WaitingForReviewError
from flows.stages.policy import apply_policy
from flows.stages.review import review_case
from tests.flows.inline import Says, Script, Silence, Step, persona
from tests.flows.stages.at_work import at_work, gathered
from tools.policy import evaluate_policy

APPROVES = Says("underwriter", "approve")
AGREES = Says("second_approval", "approve", reviewer="Sven")


async def reviewed(
    name: str, *steps: Step, submitted_by: tuple[str, ...] = ()
) -> tuple[Review, Script]:
    with at_work(*steps) as run:
        case, intake, evidence = await gathered(persona(name))
        policy = await apply_policy(case, intake, evidence)
        review = await review_case(
            case, policy, evidence, tuple(Person(name=name) for name in submitted_by)
        )
    assert isinstance(run.gatekeeper, Script)
    assert run.state.review == review
    return review, run.gatekeeper


@pytest.mark.parametrize(
    ("name", "steps", "verdict"),
    [
        ("bora-borderline", (APPROVES,), Verdict.APPROVE),
        (
            "bora-borderline",
            (Says("underwriter", "decline", more={"reason_code": "R09"}),),
            Verdict.DECLINE,
        ),
        (
            "bora-borderline",
            (Says("underwriter", "adjust", more={"amount": 9000.0}),),
            Verdict.ADJUST,
        ),
        (
            "bora-borderline",
            (Says("underwriter", "request_documents"),),
            Verdict.REQUEST_DOCUMENTS,
        ),
        ("bora-borderline", (Silence("underwriter"),), Verdict.DECLINE),
        ("leo-large", (APPROVES, AGREES), Verdict.APPROVE),
        ("leo-large", (APPROVES, Silence("second_approval")), Verdict.DECLINE),
        ("pat-potential", (Says("compliance", "clear"),), Verdict.CLEAR),
        ("pat-potential", (Says("compliance", "true_match"),), Verdict.DECLINE),
    ],
)
async def test_what_people_say_becomes_a_verdict(
    name: str, steps: tuple[Step, ...], verdict: Verdict
) -> None:
    review, script = await reviewed(name, *steps)

    assert review.verdict is verdict
    assert [gate for gate, _ in script.asked] == [step.gate for step in steps]
    assert [ruling.gate for ruling in review.rulings] == [step.gate for step in steps]
    assert [ruling.role == "system" for ruling in review.rulings] == [
        isinstance(step, Silence) for step in steps
    ]


async def test_a_ruling_keeps_who_in_which_role_and_how_sure_we_are() -> None:
    review, _ = await reviewed(
        "bora-borderline", Says("underwriter", "approve", roles=(Role.UNDERWRITER,), proven=False)
    )

    (ruling,) = review.rulings
    assert (ruling.reviewer, ruling.role, ruling.proven) == ("Una", "underwriter", False)
    assert (ruling.decision, ruling.override) == ("approve", False)


async def test_the_second_person_learns_who_was_first_and_for_how_much() -> None:
    _, script = await reviewed("leo-large", APPROVES, AGREES)

    facts = [ReviewFacts.model_validate(request.facts) for _, request in script.asked]
    assert [seen.first_reviewer for seen in facts] == ["", "Una"]
    assert [str(seen.amount) for seen in facts] == ["45000.00", "45000.00"]


async def test_the_second_person_sees_the_terms_and_the_rules_that_they_break() -> None:
    because = {"reason_code": "compensating_income"}
    adjusts = {"amount": 9000.0, "term_months": 12, "rate": 0.2001}
    _, script = await reviewed(
        "bora-borderline",
        Says("underwriter", "adjust", more=adjusts | because),
        Says("second_approval", "approve", reviewer="Sven", more=because),
    )

    first, second = (request for _, request in script.asked)
    facts = ReviewFacts.model_validate(second.facts)
    assert (str(facts.amount), facts.term_months, str(facts.rate)) == ("9000.00", 12, "0.2001")
    assert facts.is_override
    assert "$9,000.00 over 12 months at 20.01%" in second.summary
    assert "**Debt to income with the new payment exceeds 50 %** (decline)" in second.summary
    assert "dti-above-limit" not in first.summary
    assert len(second.summary.splitlines()) < 15


async def test_the_state_of_a_run_holds_the_evidence_that_its_gate_sees() -> None:
    with at_work(APPROVES) as run:
        case, intake, evidence = await gathered(persona("bora-borderline"))
        policy = await apply_policy(case, intake, evidence)
        assert run.state.evidence == evidence
        await review_case(case, policy, evidence, ())
    with at_work(Says("compliance", "clear")) as run:
        case, intake, evidence = await gathered(persona("pat-potential"))
        policy = await apply_policy(case, intake, evidence)
        assert run.state.evidence == evidence
        await review_case(case, policy, evidence, ())

    assert run.state.evidence == evidence.model_copy(update={"cleared": True})


async def test_the_submitter_of_a_case_does_not_clear_its_hit() -> None:
    clears = Says("compliance", "clear", reviewer="ina")

    with pytest.raises(AuthorityError, match="cannot clear it"):
        await reviewed("pat-potential", clears, submitted_by=("Ina",))


async def test_a_reviewer_is_not_the_second_person_of_the_own_ruling() -> None:
    with pytest.raises(AuthorityError, match="another person"):
        await reviewed("leo-large", APPROVES, Says("second_approval", "approve", reviewer="una "))


async def test_the_submitter_of_a_case_does_not_give_the_second_approval() -> None:
    with pytest.raises(AuthorityError, match="the person who submitted"):
        await reviewed("leo-large", APPROVES, AGREES, submitted_by=("Ina", "Sven"))


async def test_an_adjustment_within_ones_authority_needs_no_second_person() -> None:
    smaller = Says("underwriter", "adjust", more={"amount": 15000.0}, roles=(Role.UNDERWRITER,))

    review, _ = await reviewed("leo-large", smaller)

    assert review.verdict is Verdict.ADJUST
    assert review.adjusted is not None
    assert str(review.adjusted.amount) == "15000.00"


async def test_an_override_is_on_the_record_as_one_by_both() -> None:
    because = {"reason_code": "compensating_income"}
    review, _ = await reviewed(
        "uma-override",
        Says("underwriter", "approve", more=because),
        Says("second_approval", "approve", reviewer="Sven", more=because),
    )

    assert [ruling.override for ruling in review.rulings] == [True, True]
    assert {ruling.reason_code for ruling in review.rulings} == {"compensating_income"}


@pytest.mark.parametrize("name", ["bora-borderline", "leo-large", "uma-override", "pat-potential"])
async def test_the_summary_for_a_reviewer_is_short_and_names_no_person(name: str) -> None:
    with pytest.raises(WaitingForReviewError) as caught:
        await reviewed(name, Silence("nowhere"))

    request = caught.value.request
    assert len(request.summary.splitlines()) < 20
    assert "| Asked for |" in request.summary
    assert request.summary.splitlines()[-1].startswith("[")
    for applicant in persona(name).application.applicants:
        for secret in (applicant.ssn, applicant.last_name, str(applicant.dob)):
            assert secret not in request.summary


async def test_the_summary_has_what_the_memo_says_later_and_the_labels_of_the_rules() -> None:
    with pytest.raises(WaitingForReviewError) as caught:
        await reviewed("bora-borderline", Silence("nowhere"))

    summary = caught.value.request.summary
    heads = "| Income | Payment | Price | Residual income | Score | Bureau score | Your limit |"
    figures = summary.splitlines()[summary.splitlines().index(heads) + 2]
    assert re.fullmatch(
        r"\| \$[\d,.]+ a month \| \$[\d,.]+ a month \| [\d.]+%, APR [\d.]+% \| \$[\d,.]+ a month"
        r" \| \d+ \| \d+ \| \$[\d,]+, \$[\d,]+ without a key \|",
        figures,
    )
    labels = [
        rule.label
        for rule in current_rulebook(Settings().data_dir).policy.rules
        if rule.id == "pd-elevated"
    ]
    assert f"- **{labels[0]}** (refer)" in summary
    assert "pd-elevated" not in summary
    assert re.search(r"\]\(http://[^)]+/case/[^)/]+\)$", summary)


def test_a_missing_fact_is_named_once_and_not_hidden_behind_the_rules_that_need_it() -> None:
    rulebook = current_rulebook(Settings().data_dir)
    facts = PolicyFacts.model_validate(
        {
            "product": "personal_loan",
            "amount_requested": "9000.00",
            "term_months": 36,
            "state": "CA",
            "youngest_age": 40,
        }
    )

    lines = why(rulebook, evaluate_policy(rulebook.policy, facts, date(2026, 11, 2)))

    unknown = [line for line in lines if "could not be evaluated" in line]
    assert len(unknown) == 1
    assert "bureau score" in unknown[0]
    assert len(lines) <= 8
