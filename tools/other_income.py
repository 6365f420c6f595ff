"""Income beside wages: support, benefits, pensions and rent, by letters and by bank deposits.

The source of an income never lowers its value. An income that ends before the loan does not
count, because it cannot carry the last payments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from statistics import median

from data.contracts.application import Applicant, OtherIncome, OtherIncomeType
from data.contracts.documents import BenefitsLetter, Transaction
from data.rounding import cents

_IN_BANK = frozenset(OtherIncomeType) - {OtherIncomeType.OTHER}
_LEAST_MONTHS = 2
_ZERO = Decimal(0)


def lasts(income: OtherIncome, term_months: int) -> bool:
    """Whether an income continues for the whole term of a loan."""
    return income.continues_months is None or income.continues_months >= term_months


def lasting_income(applicant: Applicant, term_months: int) -> Decimal:
    """The stated income in dollars per month that continues for the whole term."""
    return applicant.employment.gross_monthly_stated + stated_beside_wages(applicant, term_months)


def stated_beside_wages(
    applicant: Applicant, term_months: int, *, of: OtherIncomeType | None = None
) -> Decimal:
    """The stated other income in dollars per month that continues for the whole term."""
    return sum(
        (
            income.monthly
            for income in applicant.other_income
            if lasts(income, term_months) and of in (None, income.type)
        ),
        _ZERO,
    )


def other_income(
    applicant: Applicant,
    letters: Iterable[BenefitsLetter],
    deposits: Iterable[Transaction],
    term_months: int,
) -> Decimal | None:
    """What letters and bank deposits prove, in dollars per month; None when they prove nothing.

    A letter and the bank may show the same payment, so the larger sum counts.
    """
    shown, ending = _seen_in_bank(deposits), _ending(applicant, term_months)
    lasting = {
        kind: stated_beside_wages(applicant, term_months, of=kind) if kind in ending else amount
        for kind, amount in shown.items()
    }
    counted = sum((min(amount, lasting[kind]) for kind, amount in shown.items()), _ZERO)
    gone = sum(
        (max(_ZERO, amount - shown.get(kind, _ZERO)) for kind, amount in ending.items()), _ZERO
    )
    # An ending income that the bank does not show may be the one that a letter is about.
    announced = max(_ZERO, _in_letters(list(letters)) - gone)
    return cents(max(announced, counted)) or None


def _ending(applicant: Applicant, term_months: int) -> dict[OtherIncomeType, Decimal]:
    """The stated income of each kind that ends before the loan."""
    found: dict[OtherIncomeType, Decimal] = {}
    for income in applicant.other_income:
        if not lasts(income, term_months):
            found[income.type] = found.get(income.type, _ZERO) + income.monthly
    return found


def _seen_in_bank(deposits: Iterable[Transaction]) -> dict[OtherIncomeType, Decimal]:
    """The monthly amount of each kind of income that arrived in several months."""
    monthly: dict[OtherIncomeType, dict[tuple[int, int], Decimal]] = {}
    for deposit in deposits:
        if deposit.category in _IN_BANK:
            months = monthly.setdefault(OtherIncomeType(deposit.category), {})
            month = (deposit.posted_on.year, deposit.posted_on.month)
            months[month] = months.get(month, _ZERO) + deposit.amount
    return {
        kind: Decimal(median(months.values()))
        for kind, months in monthly.items()
        if len(months) >= _LEAST_MONTHS
    }


def _in_letters(letters: Sequence[BenefitsLetter]) -> Decimal:
    """The sum of the newest letters of each payer."""
    newest = {
        letter.payer.casefold(): max(
            other.letter_date
            for other in letters
            if other.payer.casefold() == letter.payer.casefold()
        )
        for letter in letters
    }
    return sum(
        (
            letter.monthly_amount
            for letter in letters
            if letter.letter_date == newest[letter.payer.casefold()]
        ),
        _ZERO,
    )
