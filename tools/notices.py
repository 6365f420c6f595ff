"""Letters from a decision's content: approval, counter-offer, adverse action, incompleteness.

The sentences follow the sample forms of Regulation B (C-1, C-4, C-6) and section 615 of the Fair
Credit Reporting Act. A letter gives reasons in words and never as codes. It does not mention the
findings of compliance or fraud.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from data.contracts.decision import DecisionContent, Grade, Offer, Outcome, ScoreDisclosure
from data.contracts.notices import Notice, NoticeKind, NoticeTerms, Party
from tools.base import tool
from tools.memo import dollars, percent, with_article
from tools.versioned_data import load_versioned

_KINDS = {
    Outcome.APPROVE: NoticeKind.APPROVAL,
    Outcome.COUNTER_OFFER: NoticeKind.COUNTER_OFFER,
    Outcome.DECLINE: NoticeKind.ADVERSE_ACTION,
    Outcome.INCOMPLETE: NoticeKind.INCOMPLETENESS,
}

_EQUAL_CREDIT = (
    "The federal Equal Credit Opportunity Act prohibits creditors from discriminating against "
    "credit applicants on the basis of race, color, religion, national origin, sex, marital "
    "status, age (provided the applicant has the capacity to enter into a binding contract); "
    "because all or part of the applicant's income derives from any public assistance program; "
    "or because the applicant has in good faith exercised any right under the Consumer Credit "
    "Protection Act. The federal agency that administers compliance with this law concerning "
    "this creditor is:"
)
_REPORT_RIGHTS = (
    "Our decision was based in whole or in part on information obtained in a report from the "
    "consumer reporting agency listed below. The agency played no part in our decision and is "
    "unable to supply specific reasons for it. You have a right under the Fair Credit Reporting "
    "Act to know the information in your credit file. You also have a right to a free copy of "
    "your report from the agency, if you request it no later than 60 days after you receive "
    "this notice, and if you find that any information in it is inaccurate or incomplete, you "
    "have the right to dispute the matter with the agency."
)
_COVERED_BORROWERS = (
    "Federal law provides important protections to members of the Armed Forces and their "
    "dependents relating to extensions of consumer credit. In general, the cost of consumer credit "
    "to a member of the Armed Forces and his or her dependent may not exceed an annual percentage "
    "rate of 36 percent. This rate must include, as applicable to the credit transaction or "
    "account: the costs associated with credit insurance premiums; fees for ancillary products "
    "sold in connection with the credit transaction; any application fee charged (other than "
    "certain application fees for specified credit transactions or accounts); and any "
    "participation fee charged (other than certain participation fees for a credit card account)."
)
"""The statement of 32 CFR 232.6(c)(3)."""


def load_notice_terms(data_dir: Path) -> NoticeTerms:
    """Read `policy/notices.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "notices.yaml", NoticeTerms)


@tool()
def compose_notice(content: DecisionContent, terms: NoticeTerms) -> Notice | None:
    """The letter for a decision; None for a withdrawn application."""
    kind = _KINDS.get(content.outcome)
    if kind is None:
        return None
    body = {
        NoticeKind.APPROVAL: _approval,
        NoticeKind.COUNTER_OFFER: _counter_offer,
        NoticeKind.ADVERSE_ACTION: _adverse_action,
        NoticeKind.INCOMPLETENESS: _incompleteness,
    }[kind](content, terms)
    return Notice(
        kind=kind,
        due_by=content.as_of_date + timedelta(days=terms.notice_due_days),
        text="\n\n".join((_party(terms.creditor), f"Date: {content.as_of_date}", *body)) + "\n",
    )


def _approval(content: DecisionContent, terms: NoticeTerms) -> Iterator[str]:
    yield "Your application for credit has been approved."
    if content.offer is not None:
        yield _terms_of(content.offer)
    yield from _to_covered_borrowers(content)
    yield from _conditions("Before the loan is paid out, please note:", content)
    if content.score_disclosure is not None and content.grade is not Grade.A:
        yield (
            "The terms we offer are based in part on your credit report. Borrowers with a more "
            "favorable credit history may receive a lower rate."
        )
        yield _score(content.score_disclosure)
        yield from _bureaus(terms)


def _counter_offer(content: DecisionContent, terms: NoticeTerms) -> Iterator[str]:
    yield (
        "We are unable to offer you credit on the terms that you requested: "
        f"{_requested(content)}. We can, however, offer you credit as follows."
    )
    if content.offer is not None:
        yield _terms_of(content.offer)
    for other in content.alternatives:
        yield "Or, if you prefer:\n" + _terms_of(other)
    if content.offer is not None:
        yield (
            f"If this offer is acceptable to you, please notify us by {content.offer.expires_on}. "
            "If we do not hear from you by then, your application is declined."
        )
    yield from _to_covered_borrowers(content)
    yield from _conditions("Before the loan is paid out, please note:", content)
    yield from _reasons("Principal reasons for not granting your request", content)
    yield from _rights(content, terms)


def _adverse_action(content: DecisionContent, terms: NoticeTerms) -> Iterator[str]:
    yield (
        "Thank you for applying to us for credit. We have given your request careful "
        f"consideration, and regret that we are unable to grant {_requested(content)}."
    )
    yield from _reasons("Principal reasons for our decision", content)
    yield from _rights(content, terms)


def _incompleteness(content: DecisionContent, terms: NoticeTerms) -> Iterator[str]:
    due = content.as_of_date + timedelta(days=terms.answer_due_days)
    yield (
        f"Thank you for applying to us for {_requested(content)}. Your application is incomplete, "
        "and we cannot decide on it yet."
    )
    yield from _conditions("We need the following from you:", content)
    yield (
        f"Please answer by {due}. If we do not hear from you by then, we are unable to give "
        "your application further consideration."
    )


def _requested(content: DecisionContent) -> str:
    asked = content.requested
    product = with_article(asked.product)
    return f"{product} of {dollars(asked.amount)} over {asked.term_months} months"


def _terms_of(offer: Offer) -> str:
    lines = (
        f"Amount of the loan: {dollars(offer.amount)}",
        f"Annual percentage rate: {percent(offer.apr)}",
        f"Interest rate: {percent(offer.rate)}",
        f"Finance charge: {dollars(offer.finance_charge)}",
        f"Amount paid out after the fee of {dollars(offer.fee)}: "
        f"{dollars(offer.amount - offer.fee)}",
        f"Payments: {offer.term_months} monthly payments of {dollars(offer.payment)}",
        f"Total of payments: {dollars(offer.total_of_payments)}",
        f"The offer is open until {offer.expires_on}.",
    )
    return "\n".join(lines)


def _reasons(title: str, content: DecisionContent) -> Iterator[str]:
    if content.principal_reasons:
        listed = "\n".join(f"- {reason.notice_text}" for reason in content.principal_reasons)
        yield f"{title}:\n{listed}"


def _conditions(title: str, content: DecisionContent) -> Iterator[str]:
    if content.conditions:
        yield title + "\n" + "\n".join(f"- {condition.text}" for condition in content.conditions)


def _rights(content: DecisionContent, terms: NoticeTerms) -> Iterator[str]:
    """The applicant's rights. Those about a consumer report need a report and a reason."""
    if content.principal_reasons and _report_was_used(content):
        yield _REPORT_RIGHTS
        yield from _bureaus(terms)
        if content.score_disclosure is not None:
            yield _score(content.score_disclosure)
    yield _EQUAL_CREDIT + "\n" + _party(terms.agency)


def _to_covered_borrowers(content: DecisionContent) -> Iterator[str]:
    """The statement of the Military Lending Act, unless no applicant is a covered borrower."""
    answers = [
        result.inputs["covered_borrower"]
        for result in content.rule_results
        if "covered_borrower" in result.inputs
    ]
    if any(answer != "false" for answer in answers):
        yield _COVERED_BORROWERS


def _report_was_used(content: DecisionContent) -> bool:
    return any(result.inputs.get("bureau_status") for result in content.rule_results)


def _bureaus(terms: NoticeTerms) -> Iterator[str]:
    yield from (_party(bureau) for bureau in terms.bureaus)


def _score(score: ScoreDisclosure) -> str:
    opening = (
        f"We also obtained your credit score from {score.provider} and used it. Your score "
        f"({score.model}) was {score.value} on {score.scored_on}, on a scale from "
        f"{score.range_min} to {score.range_max}."
    )
    if not score.factors:
        return opening
    listed = "\n".join(f"- {factor.text}" for factor in score.factors)
    return f"{opening} Key factors that adversely affected it:\n{listed}"


def _party(party: Party) -> str:
    return "\n".join((party.name, *party.address, *([party.phone] if party.phone else [])))
