"""Rows of the table that are answered by what the agents find and the policy says."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from data.contracts.application import EmploymentStatus
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.documents import BankStatement, BenefitsLetter, Document, DocumentKind
from data.contracts.findings import IdentityStatus, IncomeVerdict
from data.contracts.policy import ReasonCode, Recommendation
from data.synthetic.builder import AS_OF, Home, Person, bundle, json_document
from tests.flows.bad_input.place import Attempt, Look, ends
from tests.flows.cases import APPLICANT, changed, paper, with_papers, without
from tests.flows.inline import Says, persona
from tools.documents import content_of

ADA = persona("ada-prime").case
UNA = Says("underwriter", "approve")
HONOLULU = Home("1118 Bishop Street", "Honolulu", "HI", "96813", "808", "City of Honolulu")


def _person(**differs: Any) -> Person:
    return Person(
        **({"first": "Ada", "last": "Prime", "ssn": "516-24-3907", "income": "7200.00"} | differs)
    )


def _like_ada(person: Person, **differs: Any) -> CaseFile:
    """Another person with Ada's credit file."""
    assert ADA.bureau_report is not None
    own = ADA.bureau_report.model_copy(update={"subject_ssn_last4": person.ssn[-4:]})
    return bundle("like-ada", (person,), amount="10000.00", bureau=own, **differs)


def _box(line1: str) -> CaseFile:
    return changed("ada-prime", **{f"{APPLICANT}addresses__0__line1": line1})


RESIDENCE: dict[str, Attempt] = {
    "ZIP not of the state": ends(
        _like_ada(_person(home=Home(postal_code="94103"))), asked="confirm_postal_code"
    ),
    "state outside the footprint": ends(
        _like_ada(_person(home=HONOLULU)),
        outcome=Outcome.DECLINE,
        reason=ReasonCode.OUTSIDE_LENDING_AREA,
    ),
    "PO box only": ends(
        _box("PO Box 12"), outcome=Outcome.INCOMPLETE, asked="street_address_required"
    ),
}


def _without_wages(status: EmploymentStatus, *papers: Document) -> CaseFile:
    """Ada on other income than wages, with these proofs of it."""
    case = changed(
        "ada-prime",
        **{
            f"{APPLICANT}employment": {"status": status.value, "gross_monthly_stated": "0.00"},
            f"{APPLICANT}other_income": [{"type": "pension", "monthly": "7200.00"}],
        },
    )
    case = without(without(case, DocumentKind.PAYSTUB), DocumentKind.BANK_STATEMENT)
    return with_papers(case, *papers)


_PENSION = json_document(
    "letter",
    DocumentKind.BENEFITS_LETTER,
    BenefitsLetter(
        recipient_name="Ada Prime",
        payer="Prairie Pension",
        letter_date=date(2026, 3, 1),
        monthly_amount=Decimal("7200.00"),
    ),
)


def _asks_for(kind: DocumentKind) -> Look:
    def check(done: Any) -> bool:
        checklist = done.run.state.doc_intake.finding.checklist
        return any(item.purpose == "income" and kind in item.kinds for item in checklist)

    return check


INCOMES: dict[str, Attempt] = {
    status.value: ends(_without_wages(status, _PENSION), outcome=Outcome.APPROVE)
    for status in (EmploymentStatus.BENEFITS, EmploymentStatus.RETIRED)
} | {
    "without proof": ends(
        _without_wages(EmploymentStatus.RETIRED),
        gate="documents",
        also=_asks_for(DocumentKind.BENEFITS_LETTER),
    ),
    "self-employed": ends(
        without(
            changed(
                "ada-prime",
                **{f"{APPLICANT}employment__status": EmploymentStatus.SELF_EMPLOYED.value},
            ),
            DocumentKind.BANK_STATEMENT,
        ),
        gate="documents",
        also=_asks_for(DocumentKind.TAX_RETURN),
    ),
}

ANNUAL: dict[str, Attempt] = {
    "stated twelve times": ends(
        changed("ada-prime", **{f"{APPLICANT}employment__gross_monthly_stated": "86400.00"}),
        UNA,
        recommendation=Recommendation.REFER,
        asked="confirm_income_period",
        also=lambda done: done.run.state.verification.income.verified_monthly == Decimal("7200.01"),
    )
}


def _called(first: str, last: str) -> Attempt:
    """A person of this name, which all papers carry too, is verified by them."""
    person = _person(first=first, last=last, extra={"email": "ada@example.com"})
    return ends(
        _like_ada(person),
        outcome=Outcome.APPROVE,
        also=lambda done: (
            done.run.state.verification.kyc.identity_status is IdentityStatus.VERIFIED
        ),
    )


NAMES_ACCEPTED: dict[str, Attempt] = {
    "one word": _called("", "Suharto"),
    "emoji": _called("Ada", "Prime \U0001f642"),
    "right to left": _called("محمد", "الفارسي"),
    "apostrophes": _called("Sinéad", "O’Neill"),
    "hyphens": _called("Jean-Bosco", "Núñez-Łukasz"),
    "CJK": _called("小明", "王"),
}


def _stub(**differs: Any) -> CaseFile:
    return with_papers(ADA, paper(DocumentKind.PAYSTUB, **differs))


def _is_discrepant_or_asks(done: Any) -> bool:
    income = done.run.state.verification.income
    return income.verdict is not IncomeVerdict.VERIFIED or bool(income.stipulations)


PAYSTUBS: dict[str, Attempt] = {
    "of another person": ends(_stub(employee_name="Otto Fremd"), also=_is_discrepant_or_asks),
    "older than 60 days": ends(
        _stub(
            period_start=AS_OF - timedelta(days=80),
            period_end=AS_OF - timedelta(days=67),
            pay_date=AS_OF - timedelta(days=61),
        ),
        gate="documents",
    ),
    "YTD lower than the period": ends(
        _stub(ytd_gross=Decimal("100.00")), also=_is_discrepant_or_asks
    ),
    "gross below net": ends(_stub(net=Decimal("9000.00")), also=_is_discrepant_or_asks),
}


def _statement(document_id: str = "statement-primary", **differs: Any) -> Document:
    filed = next(p for p in ADA.documents if p.kind is DocumentKind.BANK_STATEMENT)
    content = content_of(filed).model_copy(update=differs)
    return json_document(document_id, DocumentKind.BANK_STATEMENT, content)


def _whole_statement() -> BankStatement:
    content = content_of(_statement())
    assert isinstance(content, BankStatement)
    return content


_FULL = _whole_statement()
_MIDDLE = _FULL.period_start + (_FULL.period_end - _FULL.period_start) // 2


def _halves(first_ends: date, second_begins: date) -> CaseFile:
    """Ada's statement in two parts."""
    moved = sorted(_FULL.transactions, key=lambda move: move.posted_on)
    early = tuple(move for move in moved if move.posted_on <= first_ends)
    late = tuple(move for move in moved if move.posted_on >= second_begins)
    between = _FULL.opening_balance + sum(move.amount for move in early)
    return with_papers(
        ADA,
        _statement(period_end=first_ends, transactions=early, closing_balance=between),
        _statement(
            "second",
            period_start=second_begins,
            transactions=late,
            opening_balance=between,
            closing_balance=between + sum(move.amount for move in late),
        ),
    )


def _refers_as_altered(case: CaseFile) -> Attempt:
    return ends(case, recommendation=Recommendation.REFER, rule="fraud-elevated")


STATEMENTS: dict[str, Attempt] = {
    "opening + sum != closing": _refers_as_altered(
        with_papers(ADA, _statement(closing_balance=Decimal("9.99")))
    ),
    "gap": _refers_as_altered(_halves(_MIDDLE - timedelta(days=15), _MIDDLE + timedelta(days=15))),
    "overlapping periods": _refers_as_altered(
        _halves(_MIDDLE + timedelta(days=5), _MIDDLE - timedelta(days=5))
    ),
    "two halves": ends(_halves(_MIDDLE, _MIDDLE + timedelta(days=1)), outcome=Outcome.APPROVE),
}

_STALE = str(AS_OF - timedelta(days=31))


def _bureau(**differs: Any) -> CaseFile:
    return changed("ada-prime", **{f"bureau_report__{path}": at for path, at in differs.items()})


BUREAUS: dict[str, Attempt] = {
    "frozen": ends(persona("fay-freeze").case, outcome=Outcome.INCOMPLETE, asked="lift_freeze"),
    "no-hit": ends(persona("nora-nohit").case, gate="underwriter", rule="no-credit-file"),
    "error": ends(persona("tim-timeout").case, gate="underwriter", rule="bureau-unanswered"),
    "file of another person": ends(
        _bureau(subject_ssn_last4="1111"),
        gate="underwriter",
        rule="bureau-unanswered",
        also=lambda done: done.run.state.bureau.score is None,
    ),
    "score outside its range": ends(
        _bureau(score__value=900), gate="underwriter", rule="bureau-score-unusable"
    ),
    "score code 9003": ends(
        _bureau(score__value=9003), gate="underwriter", rule="bureau-score-unusable"
    ),
    "score code 9003 in a wide range": ends(
        _bureau(score__value=9003, score__range_max=9999),
        gate="underwriter",
        rule="bureau-score-unusable",
    ),
    "report of 31 days": ends(
        changed(
            "ada-prime",
            bureau_report__report_date=_STALE,
            application__consent__credit_pull_at=f"{_STALE}T14:00:00Z",
        ),
        gate="underwriter",
        rule="bureau-report-stale",
    ),
}


def _flagged(warning: str) -> Look:
    return lambda done: warning in done.run.state.bureau.warnings


TRADES: dict[str, Attempt] = {
    "limit 0": ends(_bureau(tradelines__0__limit="0.00"), also=_flagged("trade_without_limit")),
    "negative balance": ends(
        _bureau(tradelines__0__balance="-50.00"), also=_flagged("trade_with_negative_balance")
    ),
    "opened in the future": ends(
        _bureau(tradelines__0__opened_on="2026-12-01"), also=_flagged("trade_opened_in_future")
    ),
}
