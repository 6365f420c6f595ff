"""What the law has a lender tell an applicant about rights, credit reports and scores.

The sentences follow the sample forms C-1 of Regulation B and H-1 and H-6 of Regulation V.
"""

from __future__ import annotations

from collections.abc import Iterator

from data.contracts.decision import Consumer, DecisionContent, Grade, ScoreDisclosure
from data.contracts.notices import NoticeTerms, Party
from data.contracts.policy import RuleOutcome, RuleStatus
from tools.notice_layout import Block, Lines, Listing, Paragraph

_EQUAL_CREDIT = (
    "The federal Equal Credit Opportunity Act prohibits creditors from discriminating against "
    "credit applicants on the basis of race, color, religion, national origin, sex, marital "
    "status, age (provided the applicant has the capacity to enter into a binding contract); "
    "because all or part of the applicant's income derives from any public assistance program; "
    "or because the applicant has in good faith exercised any right under the Consumer Credit "
    "Protection Act. The federal agency that administers compliance with this law concerning "
    "this creditor is:"
)
_STATEMENT_OF_REASONS = (
    "You have the right to a statement of the specific reasons for this decision. To obtain the "
    "statement, contact us at the address or telephone number at the top of this letter within 60 "
    "days of the date of this letter. We will send it to you within 30 days of your request."
)
"""12 CFR 1002.9(a)(2)(ii): for a letter that states no reasons."""
_REPORT_RIGHTS = (
    "Our decision was based in whole or in part on information obtained in a report from the "
    "consumer reporting agency listed below. The agency played no part in our decision and is "
    "unable to supply specific reasons for it. You have a right under the Fair Credit Reporting "
    "Act to know the information in your credit file. You also have a right to a free copy of "
    "your report from the agency, if you request it no later than 60 days after you receive "
    "this notice, and if you find that any information in it is inaccurate or incomplete, you "
    "have the right to dispute the matter with the agency."
)
_OUTSIDE_SOURCE = (
    "Our decision was based in whole or in part on information obtained from an outside source "
    "other than a consumer reporting agency. Under the Fair Credit Reporting Act, you have the "
    "right to make a written request, no later than 60 days after you receive this notice, for "
    "disclosure of the nature of this information."
)
"""FCRA 615(b)(1)."""
_RISK_BASED_PRICING = (
    "A consumer report (credit report) is a record of your credit history. It includes "
    "information about whether you pay your bills on time and how much you owe to creditors.",
    "We used information from your credit report to set the terms of the credit that we are "
    "offering you, such as the annual percentage rate. The terms offered to you may be less "
    "favorable than the terms offered to consumers who have better credit histories.",
    "We encourage you to check the information in your credit report. You have the right to "
    "dispute any inaccurate information in it. If you find mistakes, contact the consumer "
    "reporting agency named below.",
    "Under federal law, you have the right to obtain a copy of your credit report from the agency "
    "without charge for 60 days after you receive this notice. To obtain your free report, "
    "contact:",
)
"""12 CFR 1022.73(a)(1)(i) to (vii). The agency follows the last sentence."""
_MORE_ON_REPORTS = (
    "For more information about credit reports and your rights under federal law, visit the "
    "website of the Consumer Financial Protection Bureau at www.consumerfinance.gov/learnmore."
)
"""12 CFR 1022.73(a)(1)(viii)."""
_WHAT_A_SCORE_IS = (
    "Your credit score is a number that reflects the information in your credit report. It can "
    "change over time, as the information in your credit report changes."
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

_SIGNS_THAT_COUNT = {"medium", "high", "critical"}


def after_adverse_action(
    content: DecisionContent, consumer: Consumer, terms: NoticeTerms
) -> Iterator[Block]:
    """The rights of an applicant who did not get what they asked for.

    Those about reports and outside sources need a reason that came from there: a case that
    compliance has ended gives no reason, and its letter speaks of no source.
    """
    if not content.principal_reasons:
        yield Paragraph(_STATEMENT_OF_REASONS)
    elif consumer.bureau:
        yield Paragraph(_REPORT_RIGHTS)
        yield party(bureau_of(consumer, terms))
        if consumer.score is not None:
            yield from _score(
                f"We also obtained your credit score from {consumer.score.provider} and used it "
                f"in making our decision. {_WHAT_A_SCORE_IS}",
                consumer.score,
            )
    if content.principal_reasons and outside_source_counted(content):
        yield Paragraph(_OUTSIDE_SOURCE)
    yield Paragraph(_EQUAL_CREDIT)
    yield party(terms.agency)


def risk_based_pricing(
    content: DecisionContent, consumer: Consumer, terms: NoticeTerms
) -> Iterator[Block]:
    """The notice to an applicant whose report has led to less than the best terms.

    It is due with and without a score (12 CFR 1022.72(a), 1022.73(a)(1)); grade A has the best
    terms.
    """
    if not consumer.bureau or content.grade is Grade.A:
        return
    yield from (Paragraph(words) for words in _RISK_BASED_PRICING)
    yield party(bureau_of(consumer, terms))
    yield Paragraph(_MORE_ON_REPORTS)
    if consumer.score is not None:
        yield from _score(
            f"We used your credit score, which {consumer.score.provider} provided, to set the "
            f"terms of the credit that we are offering you. {_WHAT_A_SCORE_IS}",
            consumer.score,
        )


def to_covered_borrowers(content: DecisionContent) -> Iterator[Block]:
    """The statement of the Military Lending Act, unless no applicant is a covered borrower."""
    answers = [
        result.inputs["covered_borrower"]
        for result in content.rule_results
        if "covered_borrower" in result.inputs
    ]
    if any(answer != "false" for answer in answers):
        yield Paragraph(_COVERED_BORROWERS)


def outside_source_counted(content: DecisionContent) -> bool:
    """Whether signs of fraud from device, network or consortium were a reason."""
    return any(
        result.status is RuleStatus.HIT
        and result.outcome is not RuleOutcome.STIPULATE
        and result.reason.on_notice in content.principal_reasons
        and result.inputs.get("fraud_band") in _SIGNS_THAT_COUNT
        for result in content.rule_results
    )


def bureau_of(consumer: Consumer, terms: NoticeTerms) -> Party:
    """How to reach the agency that reported on an applicant."""
    found = consumer.bureau.casefold()
    known = (bureau for bureau in terms.bureaus if bureau.name.casefold() == found)
    return next(known, Party(name=consumer.bureau))


def party(who: Party) -> Lines:
    """Name, address and telephone."""
    return Lines((who.name, *who.address, *([who.phone] if who.phone else [])))


def _score(opening: str, score: ScoreDisclosure) -> Iterator[Block]:
    yield Paragraph(opening)
    yield Paragraph(
        f"Your score ({score.model}) was {score.value} on {score.scored_on}, on a scale from "
        f"{score.range_min} to {score.range_max}."
    )
    if score.factors:
        texts = tuple(factor.text for factor in score.factors)
        yield Listing("Key factors that adversely affected your credit score:", texts)
