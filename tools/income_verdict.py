"""The verdict on the stated income, and what the applicants have to explain or prove."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from data.contracts.findings import IncomeVerdict
from data.contracts.policy import Stipulation
from data.rounding import four_places
from tools.income import VerifiedIncome

ACCEPTED_DEVIATION = Decimal("0.10")
REFERRED_DEVIATION = Decimal("0.25")
"""Between these deviations the lower figure counts, and the applicant has to explain."""

_YEARLY_FROM = 8
"""A stated income of eight times the verified income looks like a yearly figure."""


def deviation(stated: Decimal, verified: Decimal | None) -> Decimal | None:
    """(stated - verified) / stated, to four places; None without a verified income."""
    if verified is None:
        return None
    if stated == 0:
        return Decimal("0.0000")
    return four_places((stated - verified) / stated)


def verdict(stated: Decimal, verified: Decimal | None) -> IncomeVerdict:
    """DISCREPANT above a deviation of 25 %, UNVERIFIABLE without a verified income."""
    gap = deviation(stated, verified)
    if gap is None:
        return IncomeVerdict.UNVERIFIABLE
    return IncomeVerdict.DISCREPANT if gap > REFERRED_DEVIATION else IncomeVerdict.VERIFIED


def income_stipulations(
    stated: Decimal, verified: Decimal | None, each: Sequence[VerifiedIncome] = ()
) -> tuple[Stipulation, ...]:
    """What the applicants have to explain or prove.

    A gap of 10 to 25 %, a yearly figure, an income beside the wages without proof, and a paper
    that names another person.
    """
    asked = list(_about_gap(stated, verified))
    if any(income.asks_for_proof for income in each):
        asked.append(
            Stipulation(
                code="prove_other_income",
                text="Send proof of the income beside your wages, such as a letter, a court order"
                " or bank statements of two months that show it.",
            )
        )
    if any(income.has_papers_of_others for income in each):
        asked.append(
            Stipulation(
                code="explain_papers_of_others",
                text="Explain why a proof of income or an account names another person, or send"
                " one in your own name.",
            )
        )
    return tuple(asked)


def _about_gap(stated: Decimal, verified: Decimal | None) -> tuple[Stipulation, ...]:
    if verified is None:
        return ()
    if verified > 0 and stated >= _YEARLY_FROM * verified:
        return (
            Stipulation(
                code="confirm_income_period",
                text="Confirm whether the stated income is per month or per year.",
            ),
        )
    gap = deviation(stated, verified)
    if gap is not None and ACCEPTED_DEVIATION < gap <= REFERRED_DEVIATION:
        return (
            Stipulation(
                code="explain_income_difference",
                text="Explain why the papers show less income than was stated.",
            ),
        )
    return ()
