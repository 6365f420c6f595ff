"""Credit risk: the bureau report, two scorecards, and the ability to repay.

Four separate questions. The last three can run at the same time, and `combine_risk` combines
their findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from agents.base import Agent
from data.contracts.bureau import (
    CLOSED_FILES,
    READABLE_FILES,
    BureauReport,
    BureauScore,
    BureauStatus,
)
from data.contracts.case import CaseFile
from data.contracts.findings import (
    AffordabilityFinding,
    BureauAttributes,
    BureauFinding,
    FindingStatus,
    KeyFactor,
    MemberFinding,
    RiskFinding,
)
from data.contracts.policy import AffordabilityTerms, ReasonCode
from data.contracts.prices import PriceTable
from data.contracts.questions import AffordabilityQuestion, ScoringQuestion
from data.contracts.scorecard import Ensemble, Scorecard
from data.contracts.tree_card import TreeCard
from data.rounding import four_places, rate
from tools.affordability import assess_affordability, with_other_terms
from tools.attributes import ALWAYS_DERIVED, derive_attributes, joint_attributes, record_reasons
from tools.bureau import (
    fetch_bureau_report,
    report_problem,
    report_warnings,
    reports_read,
    usable_score,
)
from tools.ensemble import blended_factors, combine_probabilities, expected_loss
from tools.obligations import DEFERRED_STUDENT_SHARE
from tools.scorecard import ScoreFactor, score_applicant

_SMALLEST_PD = Decimal("0.000001")
_WORST_FIRST = (
    BureauStatus.ERROR,
    BureauStatus.FROZEN,
    BureauStatus.LOCKED,
    BureauStatus.NO_HIT,
    BureauStatus.THIN,
    BureauStatus.HIT,
)


class BureauReader(Agent[CaseFile, BureauFinding]):
    """Reads the report of every applicant. For two applicants, the weaker file counts."""

    name = "credit_risk"
    task = "bureau"

    def __init__(self, deferred_student_share: Decimal | None = None) -> None:
        """A deferred student loan counts with this share of its balance per month, or with 1 %."""
        self.deferred_share = (
            DEFERRED_STUDENT_SHARE if deferred_student_share is None else deferred_student_share
        )

    async def answer(self, question: CaseFile) -> BureauFinding:
        as_of = question.application.as_of_date
        reports: list[BureauReport] = []
        warnings: list[str] = []
        unusable = False
        for applicant in question.application.applicants:
            report = await fetch_bureau_report(question, applicant.role)
            problem = report_problem(report, applicant.ssn, as_of)
            unusable = unusable or problem is not None
            warnings += [problem] if problem else report_warnings(report, as_of)
            reports.append(report)
        status = BureauStatus.ERROR if unusable else _worst(reports)
        attributes = self._derived(reports, as_of) if status is not BureauStatus.ERROR else None
        return BureauFinding(
            agent=self.label,
            agent_version=self.version,
            status=FindingStatus.DEGRADED if unusable else FindingStatus.OK,
            evidence=tuple(
                f"bureau-{applicant.role}" for applicant in question.application.applicants
            ),
            warnings=tuple(dict.fromkeys(warnings)),
            bureau_status=status,
            bureau=reports[0].bureau,
            report_date=min(report.report_date for report in reports),
            attributes=attributes,
            alerts=tuple(dict.fromkeys(alert for report in reports for alert in report.alerts)),
            score=None if unusable else _lower_score(reports),
            monthly_obligations=_obligations(status, attributes),
            reports=reports_read(question),
        )

    def _derived(self, reports: Sequence[BureauReport], as_of: date) -> BureauAttributes | None:
        found = [
            derive_attributes(
                report,
                as_of,
                other_report=reports[0] if position else None,
                deferred_share=self.deferred_share,
            )
            for position, report in enumerate(reports)
            if report.status in READABLE_FILES
        ]
        return joint_attributes(*found) if len(found) > 1 else found[0] if found else None


class _Card(Agent[ScoringQuestion, MemberFinding]):
    """Scores the attributes on one scorecard."""

    name = "credit_risk"

    def __init__(self, card: Scorecard | TreeCard) -> None:
        self.card = card

    async def answer(self, question: ScoringQuestion) -> MemberFinding:
        scored = score_applicant(self.card, _as_numbers(question.attributes))
        return MemberFinding(
            agent=self.label,
            agent_version=self.version,
            model=self.card.name,
            model_version=self.card.version,
            pd=min(max(rate(scored.pd), _SMALLEST_PD), 1 - _SMALLEST_PD),
            score=four_places(scored.score),
            pdo=four_places(self.card.pdo),
            top_factors=tuple(
                KeyFactor(
                    attribute=factor.attribute,
                    code=reason,
                    points_lost=four_places(factor.points_lost),
                )
                for factor in scored.factors
                for reason in _reasons(factor, question.attributes)
            ),
        )


class ScorecardMember(_Card):
    """The champion scorecard: one half of the blend that decides."""

    task = "scorecard"


class ChallengerMember(_Card):
    """The other half of the blend. When it differs much, the policy refers the case."""

    task = "challenger"


class AffordabilityAnalyst(Agent[AffordabilityQuestion, AffordabilityFinding]):
    """Compares the loan with verified income, obligations and the living floor."""

    name = "credit_risk"
    task = "affordability"

    def __init__(self, terms: AffordabilityTerms) -> None:
        self.terms = terms

    async def answer(self, question: AffordabilityQuestion) -> AffordabilityFinding:
        ability = assess_affordability(question, self.terms)
        return AffordabilityFinding(
            agent=self.label,
            agent_version=self.version,
            **question.model_dump(exclude={"adults", "dependents"}),
            **vars(ability),
        )


def combine_risk(
    members: Sequence[MemberFinding],
    ability: AffordabilityFinding | None,
    ensemble: Ensemble,
    prices: PriceTable,
    terms: AffordabilityTerms,
) -> RiskFinding:
    """One probability, one grade, and the ability to repay at the price of that grade.

    The ability was computed at an indicative rate, before the grade was known. Without members
    there is no probability and no grade, and the ability uses the price of an ungraded loan.
    """
    combined = (
        combine_probabilities([member.pd for member in members], ensemble) if members else None
    )
    grade = combined.grade if combined else None
    if ability is not None:
        ability = with_other_terms(
            ability,
            terms,
            amount=ability.amount,
            term_months=ability.term_months,
            annual_rate=prices.base_rate(grade, ability.term_months),
        )
    complete = len(members) > 1 and ability is not None
    return RiskFinding(
        agent="credit_risk",
        agent_version=ensemble.version,
        status=FindingStatus.OK if complete else FindingStatus.DEGRADED,
        members=tuple(members),
        pd_ensemble=combined.pd if combined else None,
        grade=grade,
        disagreement=combined.disagreement if combined else None,
        ability=ability,
        expected_loss=(
            expected_loss(combined.pd, ability.amount, ensemble) if combined and ability else None
        ),
        key_factors=blended_factors(members),
    )


def _reasons(factor: ScoreFactor, attributes: BureauAttributes) -> tuple[ReasonCode, ...]:
    """The reasons behind a factor: a card has one for all records, an applicant has a lien."""
    records = record_reasons(attributes.public_record_kinds)
    return records if factor.attribute == "public_record_24m" and records else (factor.reason,)


def _worst(reports: Sequence[BureauReport]) -> BureauStatus:
    return min((report.status for report in reports), key=_WORST_FIRST.index)


def _obligations(status: BureauStatus, attributes: BureauAttributes | None) -> Decimal | None:
    """The monthly obligations; None when the desk cannot read the file."""
    if status in CLOSED_FILES or status is BureauStatus.ERROR:
        return None
    return attributes.monthly_obligations if attributes else Decimal("0.00")


def _lower_score(reports: Sequence[BureauReport]) -> BureauScore | None:
    """The lowest score; None when any applicant has no score."""
    scores = [score for report in reports if (score := usable_score(report)) is not None]
    if len(scores) < len(reports):
        return None
    return min(scores, key=lambda score: score.value)


def _as_numbers(attributes: BureauAttributes) -> dict[str, bool | int | float | str | None]:
    """The attributes as a scorecard reads them: decimals become floats.

    Those that an older desk has not derived are absent, so that no card takes them for unknown.
    """
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in attributes
        if name != "version"
        and not isinstance(value, tuple)
        and not (value is None and name in ALWAYS_DERIVED)
    }
